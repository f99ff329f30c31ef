-- export(limit, queue...) -> how many went into ready lists; nothing is left when that is below limit
--
-- The way back to Celery's own transport: what is delayed or parked, and the suspects of the named queues, go into
-- the ready lists, where a stock worker finds them. A delayed message keeps its ETA in its headers.
--   delayed                     zset  emptied
--   parked                      set   emptied
--   parked:<task>               list  emptied
--   suspects:<queue>            list  emptied
--   <queue>[<separator><step>]  list  gets the bodies, left
local limit, count = tonumber(ARGV[3]), 0

for _, entry in ipairs(redis.call('ZRANGE', ns .. 'delayed', 0, limit - 1)) do
  redis.call('ZREM', ns .. 'delayed', entry)
  make_ready(entry, 'back')
  count = count + 1
end
for _, task in ipairs(redis.call('SMEMBERS', ns .. 'parked')) do
  while count < limit do
    local entry = redis.call('LPOP', ns .. 'parked:' .. task)
    if not entry then
      redis.call('SREM', ns .. 'parked', task)
      break
    end
    make_ready(entry, 'back')
    count = count + 1
  end
end
for i = 4, #ARGV do
  while count < limit do
    local entry = redis.call('LPOP', ns .. 'suspects:' .. ARGV[i])
    if not entry then
      break
    end
    make_ready(entry, 'back')
    count = count + 1
  end
end
return count
