-- Put after the prelude and before the scripts that claim messages or end claims: leases, attempts, dead letters.
--   claims:<incarnation>  hash  number of a claim -> entry
--   attempts              hash  SHA-1 of a body -> processes that ended while they had it
--   suspect               hash  incarnation -> the one suspect it has
local has_attempts -- nil until somebody asks

-- Where nobody renewed for half a lease, the server was away from all of them, and who runs tasks may have had no
-- chance yet to say so: for half a lease from now, ended leases are left alone.
-- Returns false, and nothing is renewed, when the incarnation has left: what it sent before, over another connection,
-- has come after that.
--   workers             zset    incarnation at the end of its lease
--   left:<incarnation>  string  see leave.lua
--   patience            string  there as long as that
local function renew_lease(incarnation, now, lease_ms)
  local latest = redis.call('ZREVRANGE', ns .. 'workers', 0, 0, 'WITHSCORES')[2]
  if latest and tonumber(latest) - now < lease_ms / 2 then
    redis.call('SET', ns .. 'patience', '1', 'PX', math.ceil(lease_ms / 2))
  end
  -- `now` is rounded down, and a lease must not end before the process believes so, which counts from when it asked.
  local ends = now + lease_ms + 1
  if redis.call('ZADD', ns .. 'workers', ends, incarnation) == 1 and is_there('left:' .. incarnation) then
    redis.call('ZREM', ns .. 'workers', incarnation)
    return false
  end
  return true
end

local function attempts_of(body)
  if has_attempts == nil then
    has_attempts = is_there('attempts')
  end
  return has_attempts and tonumber(redis.call('HGET', ns .. 'attempts', redis.sha1hex(body))) or 0
end

-- Ready messages are taken from the right, so 'front' is the right end there; suspects from the left. A message that
-- ended two processes is a suspect wherever it comes from: among the ready ones it would be blamed for others.
local function make_ready(entry, side)
  local queue, step, body = from_entry(entry)
  if attempts_of(body) > 1 then
    redis.call(side == 'front' and 'LPUSH' or 'RPUSH', ns .. 'suspects:' .. queue, entry)
  else
    redis.call(side == 'front' and 'RPUSH' or 'LPUSH', ready_key(queue, step), body)
  end
  ring(queue)
end

local function keep_attempts()
  -- A stock worker that runs the message does not settle here.
  redis.call('EXPIRE', ns .. 'attempts', 604800)
  has_attempts = true
end

-- Makes ready what a process had and did not settle: the next one learns that it may have been started before.
local function make_ready_again(entry, side)
  local _, _, body = from_entry(entry)
  redis.call('HSETNX', ns .. 'attempts', redis.sha1hex(body), 0)
  keep_attempts()
  make_ready(entry, side)
end

local function ring_for_suspects(queue)
  if is_there('suspects:' .. queue) then
    ring(queue)
  end
end

local function forget_attempts(entry)
  local _, _, body = from_entry(entry)
  redis.call('HDEL', ns .. 'attempts', redis.sha1hex(body))
end

local function is_suspect(incarnation, number)
  return redis.call('HGET', ns .. 'suspect', incarnation) == number
end

-- Takes the claim away: nil when it is not there, because it was given to somebody else.
local function take_claim(incarnation, number)
  local claims = ns .. 'claims:' .. incarnation
  local entry = redis.call('HGET', claims, number)
  if entry then
    redis.call('HDEL', claims, number)
    if is_suspect(incarnation, number) then
      redis.call('HDEL', ns .. 'suspect', incarnation)
      -- It may take another one now.
      local queue = from_entry(entry)
      ring_for_suspects(queue)
    end
  end
  return entry
end

local function bury(number, entry, reason, attempts)
  local queue, step, body = from_entry(entry)
  local at = now_ms()
  redis.call('HSET', ns .. 'dead:' .. number, 'queue', queue, 'step', step, 'body', body,
    'reason', reason, 'attempts', attempts, 'at', at)
  redis.call('ZADD', ns .. 'dead', at, number)
  redis.call('SADD', ns .. 'unreported', number)
  redis.call('HDEL', ns .. 'attempts', redis.sha1hex(body))
end

-- Counts one more start that ended with the end of the process. Returns true when that was the last.
local function blame(number, entry, most, reason)
  local _, _, body = from_entry(entry)
  local attempts = redis.call('HINCRBY', ns .. 'attempts', redis.sha1hex(body), 1)
  keep_attempts()
  if attempts >= most then
    bury(number, entry, reason, attempts)
    return true
  end
  make_ready(entry, 'front')
  return false
end
