-- claim: a writer takes the deploy, from `queued`, or from `building` where its writer is known to be dead.
-- ARGV: 1 token, 2 seq of the event, 3 and 4 the writer and beat that the caller saw ('' for a queued deploy),
--       5 time of start, 6 time limit in seconds or '', 7 the event.
-- Answers: OK seq lines crc32 cancel | UNKNOWN | FINISHED status | CLAIMED | MOVED | CORRUPT.
local token, first = ARGV[1], tonumber(ARGV[2])
if corrupt() then return {'CORRUPT'} end
local s = redis.call('HMGET', state, 'status', 'seq', 'writer', 'beat', 'lines', 'crc32', 'cancel')
local status, seq, writer, beat = s[1], tonumber(s[2]), s[3] or '', s[4] or ''
if not status then return {'UNKNOWN'} end
if writer == token then return {'OK', seq, s[5], s[6], s[7] or ''} end
if TERMINAL[status] then return {'FINISHED', status} end
if status == 'building' and (writer ~= ARGV[3] or beat ~= ARGV[4]) then return {'CLAIMED'} end
if seq ~= first - 1 then return {'MOVED'} end
redis.call('HSET', state, 'status', 'building', 'writer', token)
redis.call('HINCRBY', state, 'beat', 1)
redis.call('HSETNX', state, 'started_at', ARGV[5])
redis.call('HDEL', state, 'deadline')
if ARGV[6] ~= '' then redis.call('HSET', state, 'deadline', redis.call('TIME')[1] + ARGV[6]) end
return {'OK', put(first, 7), s[5], s[6], s[7] or ''}
