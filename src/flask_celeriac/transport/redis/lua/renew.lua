-- renew(incarnation, lease_ms) -> {has_expired, has_parked, has_unreported, number of each claim...}
--
-- Renews the lease, also of a process that has no claim yet, and says what there is to look after: nothing where the
-- process has left.
--   workers, patience     see attempts.lua: renew_lease; read for leases that have ended
--   claims:<incarnation>  hash  read
--   parked, unreported    set   only whether they are there
local now = now_ms()
if not renew_lease(ARGV[3], now, tonumber(ARGV[4])) then
  return {0, 0, 0}
end
local reply = {
  is_there('patience') and 0 or redis.call('ZCOUNT', ns .. 'workers', '-inf', now),
  is_there('parked') and 1 or 0,
  is_there('unreported') and 1 or 0,
}
for _, number in ipairs(redis.call('HKEYS', ns .. 'claims:' .. ARGV[3])) do
  reply[#reply + 1] = number
end
return reply
