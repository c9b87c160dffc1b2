-- What a clear kept and is not yet put back. It reads only, but is sent as EVAL: the bot's rights
-- allow EVAL_RO on streams and not on archives. Parts: ids, stream, visits.
-- KEYS[1] archive   KEYS[2] how far it was put back
-- ARGV[1] ID to count after   ARGV[2] ID to count to   ARGV[3] most entries to count in this call
-- Answers {false} without the archive, else {seconds left, put back, entries, visits, newest counted ID}.

if redis.call('EXISTS', KEYS[1]) == 0 then return {false} end

local after, restored = ARGV[1], 0
local progress = redis.call('GET', KEYS[2])
if progress then
  local id, count = string.match(progress, '^(%d+-%d+) restored=(%d+)')
  if id then
    restored = tonumber(count)
    if before(after, id) then after = id end
  end
end

local found = range_after(KEYS[1], after, ARGV[2], ARGV[3])
return {redis.call('TTL', KEYS[1]), restored, #found, by_visit(found), #found > 0 and found[#found][1]}
