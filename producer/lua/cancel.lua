-- cancel: ends a queued deploy at once; asks the writer of a building one to stop.
-- ARGV: 1 token, 2 time, 3 and 4 lines and crc32 with the last line, 5 reason, then the two events for a queued deploy.
-- Answers: OK status | UNKNOWN | FINISHED status | MOVED | CORRUPT.
local token, at = ARGV[1], ARGV[2]
if corrupt() then return {'CORRUPT'} end
local s = redis.call('HMGET', state, 'status', 'seq', 'ended_by')
local status = s[1]
if not status then return {'UNKNOWN'} end
if s[3] == token then return {'OK', status} end
if TERMINAL[status] then return {'FINISHED', status} end
if status == 'building' then
  redis.call('HSETNX', state, 'cancel', at)
  return {'OK', status}
end
if tonumber(s[2]) ~= 1 then return {'MOVED'} end
redis.call('HSET', state, 'lines', ARGV[3], 'crc32', ARGV[4], 'writer', token)
put(2, 6)
finish(token, 'cancelled', ARGV[5], '', at)
return {'OK', 'cancelled'}
