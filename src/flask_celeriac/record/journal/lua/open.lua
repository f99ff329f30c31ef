-- open(name, owner, life_ms) -> 1, or 0 when the task was opened before
--
--   KEYS[1]  hash  of the task: name, owner, queued (ms), seq; lives life_ms
--   KEYS[2]  hash  of the task that sends it, whose owner it gets where owner is empty; or the same key
-- ARGV[1] name  ARGV[2] owner  ARGV[3] life_ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local owner = ARGV[2]
if owner == '' then
  owner = redis.call('HGET', KEYS[2], 'owner') or ''
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'queued', now, 'seq', 0)
if owner ~= '' then
  redis.call('HSET', KEYS[1], 'owner', owner)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
