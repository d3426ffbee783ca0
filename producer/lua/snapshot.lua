-- snapshot: the state and the events after N, in one atomic read.
-- KEYS: 1 state, 2 log. ARGV: 1 N, the seq after which to read, 2 after how many bytes to stop, 0 for all.
-- Answers: the state's fields and values, the events, the server's time in seconds; empty where there is no state.
local state, log, after, most = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')[1]
if redis.call('TYPE', state).ok ~= 'hash' then return {{}, {}, time} end
local fields = redis.call('HGETALL', state)
if redis.call('TYPE', log).ok ~= 'list' then return {fields, {}, time} end
local bounds = redis.call('HMGET', state, 'first_seq', 'seq')
local first, last = tonumber(bounds[1]), tonumber(bounds[2])
if not first or not last then return {fields, {}, time} end
local length = redis.call('LLEN', log)
local start = math.max(0, math.min(length, after - first + 1))
if last - first + 1 ~= length then
  -- Holes: an event lies at most as far from the head as its seq from the first, so look for it below.
  local low, high = 0, start
  while low < high do
    local middle = math.floor((low + high) / 2)
    local seq = tonumber(string.match(redis.call('LINDEX', log, middle), '^{"seq":(%d+),'))
    if seq and seq > after then high = middle else low = middle + 1 end
  end
  start = low
end
if most == 0 then return {fields, redis.call('LRANGE', log, start, -1), time} end
local events, bytes, STEP = {}, 0, 32
while start < length and bytes < most do
  for _, entry in ipairs(redis.call('LRANGE', log, start, start + STEP - 1)) do
    if bytes < most then events[#events + 1], bytes = entry, bytes + #entry end
  end
  start = start + STEP
end
return {fields, events, time}
