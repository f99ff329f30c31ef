-- cancel(task_id)
--
--   cancelled  zset  gets the task's id at the time; what is older than 30 days leaves
--   cancellations  string  one more
local now, kept_ms = now_ms(), 30 * 86400000
redis.call('ZADD', ns .. 'cancelled', now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', ns .. 'cancelled', '-inf', now - kept_ms)
redis.call('PEXPIRE', ns .. 'cancelled', kept_ms)
redis.call('INCR', ns .. 'cancellations')
