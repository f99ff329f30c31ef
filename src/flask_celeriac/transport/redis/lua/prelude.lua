-- Put before every script of this folder by scripts.py: what all share. Most get attempts.lua after it.
--
-- KEYS[1]   namespace, "<global_keyprefix>celeriac:<version>:"; every key but the ready lists begins with it
-- ARGV[1]   global_keyprefix, of the ready lists
-- ARGV[2]   separator between the name of a queue and a priority step
-- The arguments of the script itself begin at ARGV[3].
--
-- An *entry* is "<queue>\n<step>\n<body>": a message that is not in a ready list, with the way back to it. The
-- body is the message as it was published, byte for byte; no script reads it.
local ns, prefix, separator = KEYS[1], ARGV[1], ARGV[2]

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function to_entry(queue, step, body)
  return queue .. '\n' .. step .. '\n' .. body
end

local function from_entry(entry)
  local first = string.find(entry, '\n', 1, true)
  local second = string.find(entry, '\n', first + 1, true)
  return string.sub(entry, 1, first - 1), string.sub(entry, first + 1, second - 1),
    string.sub(entry, second + 1)
end

local function ready_key(queue, step)
  if step == '0' then
    return prefix .. queue
  end
  return prefix .. queue .. separator .. step
end

-- One token at most: whoever takes it and leaves messages behind rings again.
local function ring(queue)
  local bell = ns .. 'bell:' .. queue
  if redis.call('EXISTS', bell) == 0 then
    redis.call('LPUSH', bell, '1')
  end
end

-- Who purges the queue learns that there is something to look for.
local function delay(due_ms, queue, entry)
  redis.call('ZADD', ns .. 'delayed', due_ms, entry)
  redis.call('HINCRBY', ns .. 'delaying', queue, 1)
end

local function is_there(name)
  return redis.call('EXISTS', ns .. name) == 1
end
