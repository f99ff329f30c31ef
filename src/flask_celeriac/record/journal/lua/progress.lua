-- progress(most, events_ms, value, expires_s, replaceable, data, number) -> {answer, cancellation or false}
--
-- Stores the state PROGRESS and tells of it, unless this run has lost its claim or the task has succeeded already.
--   KEYS[1]  string  meta of the task; see store_outcome, which is put before this
--   KEYS[2]  hash    of the task, if it was opened: progress
--   KEYS[3]  stream  of its events
--   KEYS[4]  string  its cancellation
--   KEYS[5]  hash    what the process that runs the task has claimed; without it no check of `number`
-- The answer is 'late' (no such claim), or what store_outcome returns.
local cancellation = redis.call('GET', KEYS[4])
if KEYS[5] and redis.call('HEXISTS', KEYS[5], ARGV[7]) == 0 then
  return {'late', cancellation}
end
local answer = store_outcome(KEYS[1], ARGV[3], tonumber(ARGV[4]), ARGV[5])
if answer == 'stored' and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'progress', ARGV[6])
  tell(KEYS[2], KEYS[3], 'progress', ARGV[6], ARGV[1], ARGV[2])
end
return {answer, cancellation}
