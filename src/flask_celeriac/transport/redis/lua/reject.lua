-- reject(incarnation, number, reason) -> 1, or 0 when the claim is not there
--
-- Makes a claimed message a dead letter.
--   claims:<incarnation>  hash  the number leaves
--   dead                  zset  gets the number at the time
--   dead:<number>         hash  queue, step, body, reason, attempts, at (ms)
--   unreported            set   gets the number, until its result is written
local entry = take_claim(ARGV[3], ARGV[4])
if not entry then
  return 0
end
local _, _, body = from_entry(entry)
bury(ARGV[4], entry, ARGV[5], attempts_of(body))
return 1
