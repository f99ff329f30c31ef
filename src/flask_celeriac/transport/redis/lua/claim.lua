-- claim(incarnation, lease_ms, limit, room, is_idle, slots, last, steps, tasks, task..., {queue, keeps}...)
--   -> {next_due_ms, cancellations, limit, {queue, number, attempts, body}...}
--
-- Takes up to `limit` messages and writes them down as claims of `incarnation`, in one step. Steps are strict: the
-- first of the comma-separated `steps` is empty in all queues before the second is looked at. `keeps` is 1 where a
-- claim is kept until it is settled, 0 where taking is all (no_ack); the number is then 0. Parked messages of the
-- `tasks` names that follow are made ready first, as many as may be taken: in the same step, since a worker that does
-- not know their task would take and park them again.
-- `room` is how many can begin at once: of what waits beyond that, a process takes its share alone, the same as each other
-- with a lease. The limit of the reply is then how many it took: there may be more.
-- `is_idle` is 1 where a slot is free: when there is nothing to take, others learn that, who have taken more than they run.
-- `slots` is how many of its claims may have begun at most, those of the lowest numbers; '': as before, or all.
-- `last` is the greatest number that the incarnation ever had.
-- Who has left takes nothing.
-- next_due_ms: milliseconds until the first delayed message, -1 when there is none.
--   workers, patience           see attempts.lua: renew_lease
--   parked, parked:<task>       set, list  see above; 100 of a task are looked at
--   delayed                     zset    what is due goes to the ready lists, 100 at a time
--   suspects:<queue>            list    one is taken when this incarnation has none
--   suspect                     hash    incarnation -> number of the suspect that it has
--   <queue>[<separator><step>]  list    taken from, right
--   claims:<incarnation>        hash    number -> entry
--   seq                         string  the last number given
--   attempts                    hash    read; -1 in the reply: this is the first delivery
--   cancellations               string  read: how often a task was cancelled
--   bell:<queue>                list    rung when messages stay behind
--   slots                       hash    incarnation -> the same
--   warm:<queue>                string  leaves when something is taken: it may name this incarnation
--   idle:<queue>                string  for two seconds: who is idle, of several the last to say so

-- Makes up to `limit` parked messages of a task ready, to be taken next, in their order.
local function unpark(task, limit, is_wanted)
  local key, entries = ns .. 'parked:' .. task, {}
  for _ = 1, math.min(redis.call('LLEN', key), 100) do
    if #entries >= limit then
      break
    end
    local entry = redis.call('LPOP', key)
    if is_wanted[from_entry(entry)] then
      entries[#entries + 1] = entry
    else
      redis.call('RPUSH', key, entry)
    end
  end
  for i = #entries, 1, -1 do
    make_ready(entries[i], 'front')
  end
  if redis.call('EXISTS', key) == 0 then
    redis.call('SREM', ns .. 'parked', task)
  end
end

local incarnation, lease_ms, limit = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local room = tonumber(ARGV[6])
local steps, queues, keeps = {}, {}, {}
for step in string.gmatch(ARGV[10], '[^,]+') do
  steps[#steps + 1] = step
end
local first_queue = 12 + tonumber(ARGV[11])
local is_wanted = {}
for i = first_queue, #ARGV, 2 do
  queues[#queues + 1], keeps[#keeps + 1] = ARGV[i], ARGV[i + 1] == '1'
  is_wanted[ARGV[i]] = true
end

local now = now_ms()
for _, is_kept in ipairs(keeps) do
  if is_kept then
    if not renew_lease(incarnation, now, lease_ms) then
      return {-1, tonumber(redis.call('GET', ns .. 'cancellations') or 0), limit}
    end
    break
  end
end

local function first_due_ms()
  return tonumber(redis.call('ZRANGE', ns .. 'delayed', 0, 0, 'WITHSCORES')[2])
end

local next_due_ms = first_due_ms()
if next_due_ms and next_due_ms <= now then
  local due = redis.call('ZRANGEBYSCORE', ns .. 'delayed', '-inf', now, 'LIMIT', 0, 100)
  for _, entry in ipairs(due) do
    redis.call('ZREM', ns .. 'delayed', entry)
    make_ready(entry, 'back')
  end
  next_due_ms = first_due_ms()
end

for i = 12, first_queue - 1 do
  unpark(ARGV[i], limit, is_wanted)
end

local taken = {} -- of {queue, step, body, keeps}
local suspect -- its place in `taken`
-- Suspects outlive their attempts, when those are forgotten after their time or with a message of the same bytes.
local marks = {ns .. 'attempts'}
for i, queue in ipairs(queues) do
  marks[i + 1] = ns .. 'suspects:' .. queue
end
local has_marks = redis.call('EXISTS', unpack(marks)) > 0
if has_marks and limit > 0 and redis.call('HEXISTS', ns .. 'suspect', incarnation) == 0 then
  for i, queue in ipairs(queues) do
    local entry = keeps[i] and redis.call('LPOP', ns .. 'suspects:' .. queue)
    if entry then
      local _, step, body = from_entry(entry)
      taken[1], suspect = {queue, step, body, true}, 1
      ring_for_suspects(queue)
      break
    end
  end
end
local sharers -- nil until somebody asks

-- How many to take of a list, up to `wanted`, and whether the rest of it is for others.
local function share(key, wanted)
  if #taken + wanted <= room then
    return wanted, false
  end
  local length = redis.call('LLEN', key)
  if length <= room - #taken then
    return length, false
  end
  sharers = sharers or redis.call('ZCARD', ns .. 'workers')
  if sharers < 2 then
    return wanted, false
  end
  local fair = math.ceil(length / sharers)
  local most = math.max(math.min(wanted, fair), room - #taken)
  return most, most < math.min(wanted, length)
end

local is_behind -- nil until somebody asks

-- As a rule there is something in the first list or in none: one question for all others, where those are not many.
local function is_any_behind()
  if is_behind == nil then
    local keys = {}
    for _, step in ipairs(steps) do
      for _, queue in ipairs(queues) do
        keys[#keys + 1] = ready_key(queue, step)
      end
    end
    is_behind = #keys == 2 or #keys > 1001 or redis.call('EXISTS', unpack(keys, 2)) > 0
  end
  return is_behind
end

for at, step in ipairs(steps) do
  for i, queue in ipairs(queues) do
    local is_first = at == 1 and i == 1
    if #taken >= limit or not (is_first or is_any_behind()) then
      break
    end
    local key, wanted = ready_key(queue, step), limit - #taken
    local most, is_rest_for_others = share(key, wanted)
    local bodies = most > 0 and redis.call('RPOP', key, most) or {}
    for _, body in ipairs(bodies) do
      taken[#taken + 1] = {queue, step, body, keeps[i]}
    end
    if is_rest_for_others then
      -- It comes before what is in the lists behind.
      limit = #taken
    end
  end
end

if ARGV[8] ~= '' then
  redis.call('HSET', ns .. 'slots', incarnation, ARGV[8])
end
if #taken == 0 and ARGV[7] == '1' then
  for i, queue in ipairs(queues) do
    if keeps[i] then
      redis.call('SET', ns .. 'idle:' .. queue, incarnation, 'PX', 2000)
    end
  end
end

local reply = {-1, tonumber(redis.call('GET', ns .. 'cancellations') or 0), limit}
if #taken > 0 then
  local warm = {}
  for i, queue in ipairs(queues) do
    warm[i] = ns .. 'warm:' .. queue
  end
  redis.call('DEL', unpack(warm))
end
local last = #taken > 0 and redis.call('INCRBY', ns .. 'seq', #taken) or 0
if #taken > 0 and last - #taken < tonumber(ARGV[9]) then
  -- The server has lost its latest writes, as after a failover. A number that is given twice to a process would let the
  -- end of one task settle another.
  last = tonumber(ARGV[9]) + #taken
  redis.call('SET', ns .. 'seq', string.format('%.0f', last))
end
for i, message in ipairs(taken) do
  local queue, step, body, is_kept = message[1], message[2], message[3], message[4]
  local number, attempts = '0', '-1'
  if is_kept then
    number = string.format('%.0f', last - #taken + i)
    redis.call('HSET', ns .. 'claims:' .. incarnation, number, to_entry(queue, step, body))
    if i == suspect then
      redis.call('HSET', ns .. 'suspect', incarnation, number)
    end
  end
  if has_marks then
    attempts = redis.call('HGET', ns .. 'attempts', redis.sha1hex(body)) or '-1'
  end
  reply[#reply + 1] = {queue, number, attempts, body}
end

if #taken >= limit then
  local bells = {}
  for i, queue in ipairs(queues) do
    bells[i] = ns .. 'bell:' .. queue
  end
  -- In a busy queue it is rung already.
  local is_any_silent = #bells > 0 and redis.call('EXISTS', unpack(bells)) < #bells
  for _, queue in ipairs(is_any_silent and queues or {}) do
    local keys = {}
    for i, step in ipairs(steps) do
      keys[i] = ready_key(queue, step)
    end
    if redis.call('EXISTS', unpack(keys)) > 0 then
      ring(queue)
    end
  end
elseif next_due_ms then
  reply[1] = math.max(next_due_ms - now, 0)
end
return reply
