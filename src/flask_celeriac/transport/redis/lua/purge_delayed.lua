-- purge_delayed(queue, cursor, seen, limit) -> {cursor, count, seen}
--
-- Deletes what is delayed for a queue, in portions: other queues' messages are among them, and all are looked at. The
-- first call has cursor 0, each further one what the one before returned, until the cursor is 0 again. A queue for which
-- nothing was ever delayed costs one command.
--   delayed   zset  entries of the queue leave; about `limit` are looked at
--   delaying  hash  read; the queue leaves if nothing was delayed for it since the first call
local queue, cursor, seen, limit = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ever = redis.call('HGET', ns .. 'delaying', queue)
if not ever then
  return {'0', 0, ''}
end
if cursor == '0' then
  seen = ever
end
local count, start = 0, queue .. '\n'
local found = redis.call('ZSCAN', ns .. 'delayed', cursor, 'COUNT', limit)
local entries = found[2]
for i = 1, #entries, 2 do
  if string.sub(entries[i], 1, #start) == start then
    count = count + redis.call('ZREM', ns .. 'delayed', entries[i])
  end
end
if found[1] == '0' and ever == seen then
  redis.call('HDEL', ns .. 'delaying', queue)
end
return {found[1], count, seen}
