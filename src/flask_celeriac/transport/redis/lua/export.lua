-- export(limit, queue...) -> how many went into ready lists; nothing is left when that is below limit
--
-- The way back to Celery's own transport: what is delayed or parked, and the suspects of the named queues, go into
-- the ready lists, where a stock worker finds them. A delayed message keeps its ETA in its headers.
--   delayed, delaying           zset, hash  emptied
--   parked                      set   emptied
--   parked:<task>               list  emptied
--   suspects:<queue>            list  emptied
--   <queue>[<separator><step>]  list  gets the bodies, left
--   attempts, patience          deleted when no process has claims: a later return begins anew
--   workers                     zset  only whether it is there
local limit, count = tonumber(ARGV[3]), 0

-- No bell: who waits there is no stock worker. Nothing is kept apart.
local function push(entry)
  local queue, step, body = from_entry(entry)
  redis.call('LPUSH', ready_key(queue, step), body)
end

for _, entry in ipairs(redis.call('ZRANGE', ns .. 'delayed', 0, limit - 1)) do
  redis.call('ZREM', ns .. 'delayed', entry)
  push(entry)
  count = count + 1
end
if redis.call('EXISTS', ns .. 'delayed') == 0 then
  redis.call('DEL', ns .. 'delaying')
end
for _, task in ipairs(redis.call('SMEMBERS', ns .. 'parked')) do
  while count < limit do
    local entry = redis.call('LPOP', ns .. 'parked:' .. task)
    if not entry then
      redis.call('SREM', ns .. 'parked', task)
      break
    end
    push(entry)
    count = count + 1
  end
end
for i = 4, #ARGV do
  while count < limit do
    local entry = redis.call('LPOP', ns .. 'suspects:' .. ARGV[i])
    if not entry then
      break
    end
    push(entry)
    count = count + 1
  end
end
if count < limit and not is_there('workers') then
  redis.call('DEL', ns .. 'attempts', ns .. 'patience')
end
return count
