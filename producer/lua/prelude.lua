-- Put before every script that writes. KEYS: 1 state (hash), 2 log (list), 3 channel of the deploy.
-- Lua rolls nothing back, so each script checks everything before its first write.
local state, log, channel = KEYS[1], KEYS[2], KEYS[3]
local TERMINAL = {complete = true, failed = true, cancelled = true}

local function corrupt()
  local s, l = redis.call('TYPE', state).ok, redis.call('TYPE', log).ok
  return (s ~= 'hash' and s ~= 'none') or (l ~= 'list' and l ~= 'none')
end

local function seq_of(entry)
  return entry and tonumber(string.match(entry, '^{"seq":(%d+),'))
end

-- Appends ARGV[from..], the events first, first + 1 and so on; trims the list; publishes each event.
local function put(first, from)
  local count = #ARGV - from + 1
  local last = first + count - 1
  local s = redis.call('HMGET', state, 'first_seq', 'bytes', 'cap_events', 'cap_bytes')
  local first_seq, bytes = tonumber(s[1]) or first, tonumber(s[2]) or 0
  local cap_events, cap_bytes = tonumber(s[3]) or 10000, tonumber(s[4]) or 8388608
  local added = 0
  for i = from, #ARGV do added = added + #ARGV[i] end
  local length = 0
  for i = from, #ARGV, 4000 do
    length = redis.call('RPUSH', log, unpack(ARGV, i, math.min(i + 3999, #ARGV)))
  end
  bytes = bytes + added
  if length == count then first_seq, bytes = first, added end  -- a new list, or an evicted one
  local trimmed = false
  if length > cap_events then
    for _, gone in ipairs(redis.call('LPOP', log, length - cap_events)) do bytes = bytes - #gone end
    length, trimmed = cap_events, true
  end
  while bytes > cap_bytes and length > 1 do
    bytes = bytes - #redis.call('LPOP', log)
    length, trimmed = length - 1, true
  end
  if trimmed then first_seq = seq_of(redis.call('LINDEX', log, 0)) or last - length + 1 end
  redis.call('HSET', state, 'seq', last, 'first_seq', first_seq, 'bytes', bytes)
  for i = from, #ARGV do redis.call('PUBLISH', channel, ARGV[i]) end
  return last
end

-- Marks the deploy as ended by `by` and lets log and state expire together.
local function finish(by, status, reason, detail, at)
  redis.call('HSET', state, 'status', status, 'finished_at', at, 'ended_by', by)
  if reason ~= '' then redis.call('HSET', state, 'error', reason) end
  if detail ~= '' then redis.call('HSET', state, 'detail', detail) end
  local ttl = tonumber(redis.call('HGET', state, 'ttl')) or 604800
  redis.call('EXPIRE', state, ttl)
  redis.call('EXPIRE', log, ttl)
end
