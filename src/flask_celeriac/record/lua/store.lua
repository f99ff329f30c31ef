-- Store the state of a task and tell all who wait for it, unless this run has lost its claim or
-- the task has succeeded already.
--
-- Call: EVALSHA <sha> 1|2 result [claims] value expires_s field replaceable
--   KEYS[1] result  string  meta of the task; its name is also the channel
--   KEYS[2] claims  hash    what the process that runs the task has claimed; without it no check
--   ARGV[1] value        \
--   ARGV[2] expires_s     > as of store_outcome
--   ARGV[4] replaceable  /
--   ARGV[3] field        of the claims: number of the delivery
--
-- Returns 'late' (no such claim; nothing was written), or what store_outcome does.

if KEYS[2] and redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
    return 'late'
end
return store_outcome(KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[4])
