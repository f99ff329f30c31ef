-- reap(limit, most, reason) -> {recovered, number of each that became a dead letter...}
--
-- Takes the claims of incarnations whose lease has ended, `limit` at most, and makes the messages ready again. A message
-- that was held when its process ended for the `most`-th time becomes a dead letter. Where the dead one had a suspect,
-- that one alone is blamed; and of claims taken ahead, which had not started, none: it runs those of the lowest numbers.
--   workers               zset  incarnations that are done with leave
--   claims:<incarnation>  hash  emptied
--   slots                 hash  read; the incarnation leaves
--   suspect, attempts     hash  see attempts.lua: blame
--   suspects:<queue>, <queue>[<separator><step>], bell:<queue>, dead, dead:<number>, unreported
local limit, most, reason = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local reply = {0}
local now = now_ms()
while limit > 0 do
  local incarnation = redis.call('ZRANGEBYSCORE', ns .. 'workers', '-inf', now, 'LIMIT', 0, 1)[1]
  if not incarnation then
    break
  end
  local claims = ns .. 'claims:' .. incarnation
  local suspect = redis.call('HGET', ns .. 'suspect', incarnation)
  local slots = tonumber(redis.call('HGET', ns .. 'slots', incarnation) or nil) or math.huge
  local numbers = redis.call('HKEYS', claims)
  -- The last given back is the first taken: begin with the youngest. The suspect comes last: as long as it is there,
  -- also in a later portion, no other is blamed.
  table.sort(numbers, function(a, b)
    if a == suspect or b == suspect then
      return a ~= b and b == suspect
    end
    return tonumber(a) > tonumber(b)
  end)
  local portion = math.min(limit, #numbers)
  for i = 1, portion do
    local number = numbers[i]
    local entry = take_claim(incarnation, number)
    local is_ahead = #numbers - i >= slots
    if is_ahead or suspect and suspect ~= number then
      make_ready_again(entry, 'front')
    elseif blame(number, entry, most, reason) then
      reply[#reply + 1] = number
    end
  end
  reply[1], limit = reply[1] + portion, limit - portion
  if portion == #numbers then
    redis.call('ZREM', ns .. 'workers', incarnation)
    redis.call('HDEL', ns .. 'slots', incarnation)
  end
end
return reply
