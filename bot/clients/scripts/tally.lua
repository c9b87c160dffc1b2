-- Counts entries of a stream or an archive, read-only. Parts: stream.
-- KEYS stream or archive   ARGV ID to count after, ID to count to, most entries to count
-- Answers {entries, last counted ID or false}.

local found = range_after(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return {#found, #found > 0 and found[#found][1]}
