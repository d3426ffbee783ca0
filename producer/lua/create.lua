-- create: the state, and event 1, `queued`.
-- ARGV: 1 token, 2 number of field names and values, then those, then the event.
-- Answers: OK | EXISTS | CORRUPT.
local token, fields = ARGV[1], tonumber(ARGV[2])
if corrupt() then return {'CORRUPT'} end
if redis.call('EXISTS', state) == 1 then
  if redis.call('HGET', state, 'created_by') == token then return {'OK'} end
  return {'EXISTS'}
end
if redis.call('EXISTS', log) == 1 then return {'EXISTS'} end
redis.call('HSET', state, 'status', 'queued', 'created_by', token, unpack(ARGV, 3, 2 + fields))
local within = redis.call('HGET', state, 'start_within')
if within then redis.call('HSET', state, 'deadline', redis.call('TIME')[1] + within) end
put(1, 3 + fields)
return {'OK'}
