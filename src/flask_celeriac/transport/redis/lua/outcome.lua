-- Put before the scripts that store the state of a task, here and in record/: how that is done.
--
-- Stores the state and tells all who wait for it, unless the task has succeeded already.
--   key          string  meta of the task; its name is also the channel
--   value        the new meta, encoded
--   expires_s    life time of the result in seconds; 0: for ever
--   replaceable  SHA-1 of a stored meta that the caller has found to be no success, or ''
--
-- Returns 'stored', or 'kept' (it had succeeded): then nothing was written. Else the stored meta, which only the caller
-- can read (compressed, or not JSON); nothing was written, and the caller decides and calls again.
local function store_outcome(key, value, expires_s, replaceable)
  -- Celery encodes the status first, so that the first bytes say it.
  local head = redis.call('GETRANGE', key, 0, 21)
  if head ~= '' then
    local status = string.match(head, '^{"status": ?"(%u+)')
    if status == 'SUCCESS' then
      return 'kept'
    end
    if not status then
      local old = redis.call('GET', key)
      if redis.sha1hex(old) ~= replaceable then
        return old
      end
    end
  end
  if expires_s > 0 then
    redis.call('SETEX', key, expires_s, value)
  else
    redis.call('SET', key, value)
  end
  redis.call('PUBLISH', key, value)
  return 'stored'
end
