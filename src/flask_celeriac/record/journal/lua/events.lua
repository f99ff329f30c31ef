-- Put before the scripts that tell of a task: how an event is added.
--
--   task    hash    of the task; seq counts its events
--   events  stream  <number>-0 -> kind, data; also a channel: '<number> <kind> <data>'
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function tell(task, events, kind, data, most, life_ms)
  local number = redis.call('HINCRBY', task, 'seq', 1)
  redis.call('XADD', events, 'MAXLEN', most, number .. '-0', 'kind', kind, 'data', data)
  redis.call('PEXPIRE', events, life_ms)
  redis.call('PUBLISH', events, number .. ' ' .. kind .. ' ' .. data)
end
