-- reap: ends a deploy for its writer, with the last line and the terminal status, unless it moved since the caller looked.
-- ARGV: 1 token, 2 to 4 the writer, beat and seq that the caller saw, 5 status, 6 reason, 7 detail, 8 time,
--       9 and 10 lines and crc32 with the last line, then the two events.
-- Answers: OK | UNKNOWN | FINISHED status | MOVED | CORRUPT.
local token = ARGV[1]
if corrupt() then return {'CORRUPT'} end
local s = redis.call('HMGET', state, 'status', 'writer', 'beat', 'seq', 'ended_by')
if not s[1] then return {'UNKNOWN'} end
if s[5] == token then return {'OK'} end
if TERMINAL[s[1]] then return {'FINISHED', s[1]} end
if (s[2] or '') ~= ARGV[2] or (s[3] or '') ~= ARGV[3] or s[4] ~= ARGV[4] then return {'MOVED'} end
redis.call('HSET', state, 'lines', ARGV[9], 'crc32', ARGV[10], 'writer', token)
put(tonumber(ARGV[4]) + 1, 11)
finish(token, ARGV[5], ARGV[6], ARGV[7], ARGV[8])
return {'OK'}
