-- publish(queue, step, delay_ms, token, token_ms, body, ...) -> 1, or 0 when the token was seen before
--
-- Adds messages in their order, all at once or all after the same delay. At most 1000, since Lua's stack has an end.
--   <queue>[<separator><step>]  list    gets the bodies, left
--   delayed                     zset    gets the entries at their due time, when delay_ms is above 0
--   delaying                    hash    counts them for the queue
--   token:<token>               string  lives token_ms; no token when empty
--   warm:<queue>                string  whom it names is called, and is not there any more
--   call:<caller>               list    rung for that one, for a second
--   bell:<queue>                list    rung where nobody is called
local queue, step, delay_ms = ARGV[3], ARGV[4], tonumber(ARGV[5])
local token, token_ms = ARGV[6], ARGV[7]

-- A process that had something to do a moment ago is quicker than one that has waited for long: its caches are warm.
-- Where it has ended meanwhile, others find the message when they look without being rung for.
local function call_or_ring()
  local caller = redis.call('GETDEL', ns .. 'warm:' .. queue)
  if caller then
    redis.call('LPUSH', ns .. 'call:' .. caller, '1')
    redis.call('PEXPIRE', ns .. 'call:' .. caller, 1000)
  else
    ring(queue)
  end
end

if token ~= '' and not redis.call('SET', ns .. 'token:' .. token, '1', 'NX', 'PX', token_ms) then
  return 0
end
if delay_ms > 0 then
  local due_ms = now_ms() + delay_ms
  for place = 8, #ARGV do
    delay(due_ms, queue, to_entry(queue, step, ARGV[place]))
  end
else
  local pushed = redis.pcall('LPUSH', ready_key(queue, step), unpack(ARGV, 8))
  if type(pushed) == 'table' and pushed.err then
    -- A script is not undone: a repetition would be told that all had arrived.
    redis.call('DEL', ns .. 'token:' .. token)
    return pushed
  end
  call_or_ring()
end
return 1
