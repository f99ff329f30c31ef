-- crash(incarnation, number, most, reason) -> 1 when it became a dead letter, 0 when it is ready again, -1 without claim
--
-- The process that ran one claimed message has ended, its consumer lives.
-- Keys: those of reap, for this one claim.
local number = ARGV[4]
local entry = take_claim(ARGV[3], number)
if not entry then
  return -1
end
return blame(number, entry, tonumber(ARGV[5]), ARGV[6]) and 1 or 0
