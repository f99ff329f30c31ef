-- purge(queue, steps) -> how many messages were deleted
--
-- Deletes what waits in a queue: ready, suspected, parked. Claimed messages and dead letters stay; for delayed ones see
-- purge_delayed.
--   <queue>[<separator><step>]  list  deleted
--   suspects:<queue>            list  deleted
--   parked, parked:<task>       set, list   entries of the queue leave
local queue, count = ARGV[3], 0
for step in string.gmatch(ARGV[4], '[^,]+') do
  count = count + redis.call('LLEN', ready_key(queue, step))
  redis.call('DEL', ready_key(queue, step))
end
count = count + redis.call('LLEN', ns .. 'suspects:' .. queue)
redis.call('DEL', ns .. 'suspects:' .. queue)
for _, task in ipairs(redis.call('SMEMBERS', ns .. 'parked')) do
  for _, entry in ipairs(redis.call('LRANGE', ns .. 'parked:' .. task, 0, -1)) do
    if from_entry(entry) == queue then
      count = count + redis.call('LREM', ns .. 'parked:' .. task, 1, entry)
    end
  end
  if redis.call('EXISTS', ns .. 'parked:' .. task) == 0 then
    redis.call('SREM', ns .. 'parked', task)
  end
end
return count
