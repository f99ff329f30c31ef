-- unpark(task, limit, queue...) -> how many are ready again
--
-- Makes parked messages of a task ready again, those of the named queues, or all when none is named. `limit` is how many are looked at.
--   parked                      set   the task leaves when nothing of it is parked any more
--   parked:<task>               list  taken from, left
--   <queue>[<separator><step>]  list  gets the bodies, left
--   bell:<queue>                list  rung
local task, limit = ARGV[3], tonumber(ARGV[4])
local key, is_meant = ns .. 'parked:' .. task, {}
for i = 5, #ARGV do
  is_meant[ARGV[i]] = true
end
local count = 0
for _ = 1, math.min(limit, redis.call('LLEN', key)) do
  local entry = redis.call('LPOP', key)
  if #ARGV < 5 or is_meant[from_entry(entry)] then
    make_ready(entry, 'back')
    count = count + 1
  else
    redis.call('RPUSH', key, entry)
  end
end
if redis.call('EXISTS', key) == 0 then
  redis.call('SREM', ns .. 'parked', task)
end
return count
