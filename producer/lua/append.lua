-- append: a batch of events of one writer, which may end with the terminal status; without events, a sign of life.
-- ARGV: 1 token, 2 seq of the first event, 3 '1' where the events before it are lost for good,
--       4 and 5 lines and crc32 after the batch, 6 to 9 terminal status or '', reason, detail, time, then the events.
-- Answers: OK seq cancel | UNKNOWN | FINISHED status | NOTCLAIMED | FENCED | MOVED | CORRUPT.
-- A seq below the first event's predecessor says that the store has lost events: nothing was written.
local token, first, from = ARGV[1], tonumber(ARGV[2]), 10
local count = #ARGV - from + 1
if corrupt() then return {'CORRUPT'} end
local s = redis.call('HMGET', state, 'status', 'seq', 'writer', 'cancel', 'ended_by')
local status, seq, writer, cancel = s[1], tonumber(s[2]), s[3], s[4] or ''
if not status then return {'UNKNOWN'} end
-- A batch with the end counts as applied only where this writer has ended the deploy.
local ended = ARGV[6] == '' or s[5] == token
if count > 0 and writer == token and seq >= first + count - 1 and ended then return {'OK', seq, cancel} end
if TERMINAL[status] then return {'FINISHED', status} end
if not writer then return {'NOTCLAIMED'} end
if writer ~= token then return {'FENCED'} end
if seq < first - 1 and ARGV[3] ~= '1' then return {'OK', seq, cancel} end
local applied = math.max(0, seq - first + 1)
if count > 0 and applied >= count then return {'MOVED'} end  -- other events stand where the end was to go
redis.call('HINCRBY', state, 'beat', 1)
if count == 0 then return {'OK', seq, cancel} end
redis.call('HSET', state, 'lines', ARGV[4], 'crc32', ARGV[5])
seq = put(first + applied, from + applied)
if ARGV[6] ~= '' then finish(token, ARGV[6], ARGV[7], ARGV[8], ARGV[9]) end
return {'OK', seq, cancel}
