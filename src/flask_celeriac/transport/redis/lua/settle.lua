-- settle(incarnation, number...) -> how many of the claims were still there
--
-- Ends claims whose tasks are done. A claim that was given to somebody else is not touched: that is the fence.
--   claims:<incarnation>  hash  numbers leave
--   suspect               hash  the incarnation leaves, if one of the numbers was its suspect
--   attempts              hash  the message leaves
local incarnation = ARGV[3]

-- A suspect outlives its attempts, when those are forgotten after their time or with a message of the same bytes.
if redis.call('EXISTS', ns .. 'attempts', ns .. 'suspect') == 0 then
  local claims, settled = ns .. 'claims:' .. incarnation, 0
  for first = 4, #ARGV, 1000 do
    settled = settled + redis.call('HDEL', claims, unpack(ARGV, first, math.min(first + 999, #ARGV)))
  end
  return settled
end
local settled = 0
for i = 4, #ARGV do
  local entry = take_claim(incarnation, ARGV[i])
  if entry then
    forget_attempts(entry)
    settled = settled + 1
  end
end
return settled
