-- cancel(most, events_ms, cancellation, life_s, data) -> the cancellation that holds, which is the first
--
--   KEYS[1]  hash    of the task, if it was opened
--   KEYS[2]  stream  of its events
--   KEYS[3]  string  its cancellation
local known = redis.call('GET', KEYS[3])
if known then
  return known
end
redis.call('SET', KEYS[3], ARGV[3], 'EX', ARGV[4])
if redis.call('EXISTS', KEYS[1]) == 1 then
  tell(KEYS[1], KEYS[2], 'state', ARGV[5], ARGV[1], ARGV[2])
end
return ARGV[3]
