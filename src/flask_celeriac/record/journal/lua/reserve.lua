-- reserve(memo, life_s) -> {memo, is_done, is_ours}
--
--   KEYS[1]  hash  of the key: memo, done
local memo = redis.call('HGET', KEYS[1], 'memo')
if memo then
  return {memo, redis.call('HEXISTS', KEYS[1], 'done'), 0}
end
redis.call('HSET', KEYS[1], 'memo', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {ARGV[1], 0, 1}
