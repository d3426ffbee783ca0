-- snapshot: the state and the events after N, in one atomic read.
-- KEYS: 1 state, 2 log. ARGV: 1 N, the seq after which to read, 2 how many events at the most, -1 for all.
-- Answers: the state's fields and values, the events, the server's time in seconds; empty where there is no state.
local state, log, after, limit = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')[1]
if redis.call('TYPE', state).ok ~= 'hash' then return {{}, {}, time} end
local fields = redis.call('HGETALL', state)
if redis.call('TYPE', log).ok ~= 'list' then return {fields, {}, time} end
local bounds = redis.call('HMGET', state, 'first_seq', 'seq')
local first, last = tonumber(bounds[1]), tonumber(bounds[2])
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
return {fields, redis.call('LRANGE', log, start, limit < 0 and -1 or start + limit - 1), time}
