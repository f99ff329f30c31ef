-- leave(incarnation, limit) -> how many were given back; the incarnation is gone when that is below limit
--
-- Gives back, to be taken next, what an ending process holds. No attempt is counted. It can neither claim nor renew
-- from then on.
--   workers               zset  the incarnation leaves
--   left:<incarnation>    string  10 minutes: what is still on its way comes too late
--   claims:<incarnation>  hash  emptied
--   suspect, slots        hash  the incarnation leaves
--   attempts              hash  notes that the messages were delivered before
--   <queue>[<separator><step>], suspects:<queue>, bell:<queue>   lists
local incarnation, limit = ARGV[3], tonumber(ARGV[4])
local claims = ns .. 'claims:' .. incarnation
local numbers = redis.call('HKEYS', claims)
table.sort(numbers, function(a, b) return tonumber(a) > tonumber(b) end)
for i = 1, math.min(limit, #numbers) do
  make_ready_again(take_claim(incarnation, numbers[i]), 'front')
end
if #numbers < limit then
  redis.call('ZREM', ns .. 'workers', incarnation)
  redis.call('HDEL', ns .. 'slots', incarnation)
  redis.call('SET', ns .. 'left:' .. incarnation, '1', 'PX', 600000)
end
return math.min(limit, #numbers)
