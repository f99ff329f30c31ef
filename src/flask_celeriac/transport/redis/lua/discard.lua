-- discard(number...) -> how many dead letters were deleted
--   dead, dead:<number>, unreported   the numbers leave
local count = 0
for i = 3, #ARGV do
  count = count + redis.call('DEL', ns .. 'dead:' .. ARGV[i])
  redis.call('ZREM', ns .. 'dead', ARGV[i])
  redis.call('SREM', ns .. 'unreported', ARGV[i])
end
return count
