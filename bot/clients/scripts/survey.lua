-- A stream with all that a plan shows, read-only. Parts: stream, visits.
-- KEYS[1] stream   ARGV[1] group   ARGV[2] ID to count after, '' for the group's last delivered one
-- ARGV[3] ID to count to, '' for the last one ever   ARGV[4] most entries to count in this call
-- Answers {false} without the stream, else {figures, after, to, group or false, others, entries, visits, newest counted entry}:
-- figures {length, last ID, last ID ever, ever added}, group {last delivered ID, pending, consumers, lag}.

if is_missing(KEYS[1]) then return {false} end

local about = about_stream(KEYS[1])
local last, ever = about['last-entry'], about['last-generated-id']
local group, others = find_group(KEYS[1], ARGV[1])

local after, to = ARGV[2], ARGV[3]
if after == '' then after = group and group['last-delivered-id'] or ever end
if to == '' then to = ever end

local found = range_after(KEYS[1], after, to, ARGV[4])
return {
  {about['length'], last and last[1] or false, ever, about['entries-added']},
  after, to,
  group and {group['last-delivered-id'], group['pending'], group['consumers'], group['lag'] or false} or false,
  others, #found, by_visit(found), entry(found[#found]),
}
