-- Where a count begins, read-only. Parts: stream, counting.
-- KEYS stream   ARGV group
-- Answers {first, removed} as counting.lua has them, then length, last ID ever, the group's last delivered ID or false.

local answer = figures(KEYS[1])
if is_missing(KEYS[1]) then return answer end
local about, group = about_stream(KEYS[1]), find_group(KEYS[1], ARGV[1])
answer[3], answer[4] = about['length'], about['last-generated-id']
answer[5] = group and group['last-delivered-id'] or false
return answer
