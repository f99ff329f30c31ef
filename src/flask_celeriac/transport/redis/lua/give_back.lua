-- give_back(incarnation, side, number...) -> how many were given back
--
-- Puts claimed messages back into their ready lists, to be taken next ('front') or last ('back'). No attempt is
-- counted.
--   claims:<incarnation>        hash  numbers leave
--   suspect                     hash  the incarnation leaves, if one of the numbers was its suspect
--   <queue>[<separator><step>]  list  gets the bodies
--   suspects:<queue>            list  gets what was a suspect
--   bell:<queue>                list  rung
local incarnation, side = ARGV[3], ARGV[4]
local count = 0
for i = #ARGV, 5, -1 do
  local was_suspect = is_suspect(incarnation, ARGV[i])
  local entry = take_claim(incarnation, ARGV[i])
  if entry then
    if was_suspect then
      local queue = from_entry(entry)
      redis.call('RPUSH', ns .. 'suspects:' .. queue, entry)
      ring(queue)
    else
      make_ready(entry, side)
    end
    count = count + 1
  end
end
return count
