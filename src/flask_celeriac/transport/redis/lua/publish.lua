-- publish(queue, step, body, delay_ms, token, token_ms) -> 1, or 0 when the token was seen before
--
-- Adds one message, at once or after a delay.
--   <queue>[<separator><step>]  list    gets the body, left
--   delayed                     zset    gets the entry at its due time, when delay_ms is above 0
--   token:<token>               string  lives token_ms; no token when empty
--   bell:<queue>                list    rung
local queue, step, body, delay_ms = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local token, token_ms = ARGV[7], ARGV[8]

if token ~= '' and not redis.call('SET', ns .. 'token:' .. token, '1', 'NX', 'PX', token_ms) then
  return 0
end
if delay_ms > 0 then
  redis.call('ZADD', ns .. 'delayed', now_ms() + delay_ms, to_entry(queue, step, body))
else
  redis.call('LPUSH', ready_key(queue, step), body)
  ring(queue)
end
return 1
