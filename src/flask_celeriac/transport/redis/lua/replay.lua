-- replay(number...) -> how many dead letters are ready again
--   dead, dead:<number>, unreported   the numbers leave
--   <queue>[<separator><step>]        list  gets the bodies, left
--   bell:<queue>                      list  rung
local count = 0
for i = 3, #ARGV do
  local letter = redis.call('HMGET', ns .. 'dead:' .. ARGV[i], 'queue', 'step', 'body')
  if letter[3] then
    redis.call('LPUSH', ready_key(letter[1], letter[2]), letter[3])
    ring(letter[1])
    redis.call('DEL', ns .. 'dead:' .. ARGV[i])
    redis.call('ZREM', ns .. 'dead', ARGV[i])
    redis.call('SREM', ns .. 'unreported', ARGV[i])
    count = count + 1
  end
end
return count
