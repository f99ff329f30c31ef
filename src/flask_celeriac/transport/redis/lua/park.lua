-- park(incarnation, number, task) -> 1, or 0 when the claim is not there
--
-- Keeps a message whose task this worker does not know until a worker knows it.
--   claims:<incarnation>  hash  the number leaves
--   parked                set   gets the task's name
--   parked:<task>         list  gets the entry, right
local entry = take_claim(ARGV[3], ARGV[4])
if not entry then
  return 0
end
redis.call('SADD', ns .. 'parked', ARGV[5])
redis.call('RPUSH', ns .. 'parked:' .. ARGV[5], entry)
return 1
