-- finish(incarnation, caller, queues, queue..., (number, key, value, expires_s)...) -> for each claim 1: ended,
--   0: it was there no more, 2: its outcome could not be stored by this script, and it is still there
--
-- Ends claims whose tasks are done. A key that is not empty: the outcome of the task is stored there before; see
-- store_outcome. A claim that was given to somebody else is not touched, and its outcome is not stored: that is the fence.
--   claims:<incarnation>  hash    numbers leave
--   suspect               hash    the incarnation leaves, if one of the numbers was its suspect
--   attempts              hash    the message leaves
--   <key>                 string  outcome of a task
--   warm:<queue>          string  for a second: `caller`, who waits for messages of the queues that are named, and whose
--                                 incarnation has no claim any more
local incarnation = ARGV[3]
local claims = ns .. 'claims:' .. incarnation
-- A suspect outlives its attempts, when those are forgotten after their time or with a message of the same bytes.
local is_plain = redis.call('EXISTS', ns .. 'attempts', ns .. 'suspect') == 0

local function is_stored(first)
  local key = ARGV[first + 1]
  if key == '' then
    return true
  end
  local answer = store_outcome(key, ARGV[first + 2], tonumber(ARGV[first + 3]), '')
  return answer == 'stored' or answer == 'kept'
end

local function finish(first)
  local number = ARGV[first]
  local has_outcome = ARGV[first + 1] ~= ''
  if has_outcome and redis.call('HEXISTS', claims, number) == 0 then
    return 0
  end
  if not is_stored(first) then
    return 2
  end
  if is_plain then
    return redis.call('HDEL', claims, number)
  end
  local entry = take_claim(incarnation, number)
  if not entry then
    return 0
  end
  forget_attempts(entry)
  return 1
end

local done = {}
local first_claim = 6 + tonumber(ARGV[5])
for first = first_claim, #ARGV, 4 do
  done[#done + 1] = finish(first)
end
if first_claim > 6 and redis.call('EXISTS', claims) == 0 then
  for i = 6, first_claim - 1 do
    redis.call('SET', ns .. 'warm:' .. ARGV[i], ARGV[4], 'PX', 1000)
  end
end
return done
