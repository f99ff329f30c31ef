-- give_back(incarnation, side, was_delivered, number...) -> how many were given back
--
-- Puts claimed messages back into their ready lists, to be taken next ('front') or last ('back'), in the order of the
-- numbers. No attempt is counted. `was_delivered` is 0 where nobody can have begun with them.
--   claims:<incarnation>        hash  numbers leave
--   suspect                     hash  the incarnation leaves, if one of the numbers was its suspect
--   <queue>[<separator><step>]  list  gets the bodies
--   suspects:<queue>            list  gets what was a suspect
--   attempts                    hash  notes that the message was delivered before, if it was
--   bell:<queue>                list  rung
local incarnation, side = ARGV[3], ARGV[4]
local count = 0
local again = ARGV[5] == '1' and make_ready_again or make_ready
local first, last, by = 6, #ARGV, 1
if side == 'front' then
  first, last, by = last, first, -1
end
for i = first, last, by do
  local entry = take_claim(incarnation, ARGV[i])
  if entry then
    again(entry, side)
    count = count + 1
  end
end
return count
