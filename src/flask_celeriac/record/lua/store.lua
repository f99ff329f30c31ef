-- Store the state of a task and tell all who wait for it, unless this run has lost its claim or
-- the task has succeeded already.
--
-- Call: EVALSHA <sha> 1|2 result [claims] value expires_s field replaceable
--   KEYS[1] result  string  meta of the task; its name is also the channel
--   KEYS[2] claims  hash    what the process that runs the task has claimed; without it no check
--   ARGV[1] value        the new meta, encoded
--   ARGV[2] expires_s    life time of the result in seconds; 0: for ever
--   ARGV[3] field        of the claims: number of the delivery
--   ARGV[4] replaceable  SHA-1 of a stored meta that the caller has found to be no success, or ''
--
-- Returns 'stored', 'late' (no such claim) or 'kept' (it had succeeded): then nothing was written.
-- Else the stored meta, which only the caller can read (compressed, or not JSON); nothing was
-- written, and the caller decides and calls again.

if KEYS[2] and redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
    return 'late'
end

-- Celery encodes the status first, so that the first bytes say it.
local head = redis.call('GETRANGE', KEYS[1], 0, 21)
if head ~= '' then
    local status = string.match(head, '^{"status": ?"(%u+)')
    if status == 'SUCCESS' then
        return 'kept'
    end
    if not status then
        local old = redis.call('GET', KEYS[1])
        if redis.sha1hex(old) ~= ARGV[4] then
            return old
        end
    end
end

local expires_s = tonumber(ARGV[2])
if expires_s > 0 then
    redis.call('SETEX', KEYS[1], expires_s, ARGV[1])
else
    redis.call('SET', KEYS[1], ARGV[1])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 'stored'
