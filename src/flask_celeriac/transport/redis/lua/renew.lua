-- renew(incarnation, lease_ms)
--
-- Renews the lease; also of a process that has no claim yet.
--   workers  zset  incarnation at the end of its lease
redis.call('ZADD', ns .. 'workers', now_ms() + tonumber(ARGV[4]), ARGV[3])
