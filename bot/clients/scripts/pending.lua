-- What was read and never confirmed, read-only.
-- KEYS[1] stream   ARGV[1] group   ARGV[2] how many of the oldest to list   ARGV[3] only those idle for so many ms
-- Answers {type} for anything that is no stream, {type, false} without the group, else
-- {type, {count, first ID, last ID, {{consumer, count}, ...}}, {{ID, consumer, idle ms, deliveries, groupId, survey, detector}, ...}}.

local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'stream' then return {kind} end

local summary = redis.pcall('XPENDING', KEYS[1], ARGV[1])
if summary['err'] then
  if string.find(summary['err'], 'NOGROUP', 1, true) then return {kind, false} end
  return summary
end

local listed = {}
for i, one in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[2])) do
  local fields = {}
  local raw = redis.call('XRANGE', KEYS[1], one[1], one[1])[1]
  if raw then
    for f = 1, #raw[2], 2 do fields[raw[2][f]] = raw[2][f + 1] end
  end
  listed[i] = {one[1], one[2], one[3], one[4],
               fields['groupId'] or false, fields['survey'] or false, fields['detector'] or false}
end
return {kind, summary, listed}
