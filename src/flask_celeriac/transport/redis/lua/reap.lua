-- reap(limit, most, reason) -> {recovered, number of each that became a dead letter...}
--
-- Takes the claims of incarnations whose lease has ended, `limit` at most, and makes the messages ready again. A message
-- that was held when its process ended for the `most`-th time becomes a dead letter. Where the dead one had a suspect,
-- that one alone is blamed.
--   workers               zset  incarnations that are done with leave
--   claims:<incarnation>  hash  emptied
--   suspect, attempts     hash  see prelude: blame
--   suspects:<queue>, <queue>[<separator><step>], bell:<queue>, dead, dead:<number>, unreported
local limit, most, reason = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local reply = {0}
for _, incarnation in ipairs(redis.call('ZRANGEBYSCORE', ns .. 'workers', '-inf', now_ms(), 'LIMIT', 0, 10)) do
  local claims = ns .. 'claims:' .. incarnation
  local suspect = redis.call('HGET', ns .. 'suspect', incarnation)
  local numbers = redis.call('HKEYS', claims)
  -- The last given back is the first taken: begin with the youngest.
  table.sort(numbers, function(a, b) return tonumber(a) > tonumber(b) end)
  for _, number in ipairs(numbers) do
    if limit <= 0 then
      return reply
    end
    local entry = redis.call('HGET', claims, number)
    redis.call('HDEL', claims, number)
    if suspect and suspect ~= number then
      make_ready(entry, 'front')
    elseif blame(number, entry, most, reason) then
      reply[#reply + 1] = number
    end
    reply[1], limit = reply[1] + 1, limit - 1
  end
  redis.call('ZREM', ns .. 'workers', incarnation)
  redis.call('HDEL', ns .. 'suspect', incarnation)
end
return reply
