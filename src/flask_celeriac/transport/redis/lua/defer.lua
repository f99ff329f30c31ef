-- defer(incarnation, number, delay_ms) -> 1, or 0 when the claim is not there
--
-- Lets a claimed message wait: it was published by somebody who does not let the server do it.
--   claims:<incarnation>  hash  the number leaves
--   delayed               zset  gets the entry
--   delaying              hash  counts it for its queue
local entry = take_claim(ARGV[3], ARGV[4])
if not entry then
  return 0
end
local queue = from_entry(entry)
delay(now_ms() + tonumber(ARGV[5]), queue, entry)
return 1
