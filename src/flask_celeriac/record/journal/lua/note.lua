-- note(most, events_ms, life_ms, time, is_start, kind, data, ...) -> 1, or 0 when the task was never opened
--
-- Writes down that a run began or ended, and adds events.
--   KEYS[1]  hash    of the task: gets the time under the name `time` ('started': only the first one), attempts
--   KEYS[2]  stream  of its events
-- ARGV[3] life_ms: of the task from now on; '' leaves it
-- ARGV[4] time: 'started', 'ended', or '' for none   ARGV[5] is_start: '1' counts an attempt
-- ARGV[6], ARGV[7], ... kind and data of each event; the data of one of kind 'progress' is kept in the hash as well
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if ARGV[4] ~= '' then
  redis.call(ARGV[4] == 'started' and 'HSETNX' or 'HSET', KEYS[1], ARGV[4], now_ms())
end
if ARGV[5] == '1' then
  redis.call('HINCRBY', KEYS[1], 'attempts', 1)
  redis.call('HDEL', KEYS[1], 'ended', 'progress')
end
for place = 6, #ARGV, 2 do
  if ARGV[place] == 'progress' then
    redis.call('HSET', KEYS[1], 'progress', ARGV[place + 1])
  end
  tell(KEYS[1], KEYS[2], ARGV[place], ARGV[place + 1], ARGV[1], ARGV[2])
end
if ARGV[3] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
