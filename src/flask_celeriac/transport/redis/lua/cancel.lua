-- cancel(task_id)
--
--   cancelled  zset  gets the task's id at the time; what is older than 30 days leaves
local now = now_ms()
redis.call('ZADD', ns .. 'cancelled', now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', ns .. 'cancelled', '-inf', now - 30 * 86400000)
