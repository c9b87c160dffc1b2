-- One look at one stream, read-only. Parts: stream.
-- KEYS[1] stream   ARGV[1] group   ARGV[2] most entries to count
-- Answers {type} for anything that is no stream, else
-- {type, length, last ID ever, newest entry, entries ever added, group, waiting}; a nil in Redis'
-- answer stays nil.

local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'stream' then return {kind} end

local stream = about_stream(KEYS[1])
local answer = {kind, stream['length'], stream['last-generated-id'], entry(stream['last-entry']),
                stream['entries-added']}

local group = find_group(KEYS[1], ARGV[1])
if not group then return answer end

local after = range_after(KEYS[1], group['last-delivered-id'], '+', ARGV[2])

-- Entries of one stream have their fields in one order, so the place of groupId is tried first.
local visits, seen, place = 0, {}, 1
for _, raw in ipairs(after) do
  local fields = raw[2]
  if fields[place] ~= 'groupId' then
    place = 1
    while fields[place] and fields[place] ~= 'groupId' do place = place + 2 end
  end
  local visit = fields[place + 1]
  if visit and not seen[visit] then
    seen[visit] = true
    visits = visits + 1
  end
end

answer[6] = {group['last-delivered-id'], group['pending'], group['consumers'], group['lag'] or false}
answer[7] = {#after, visits, entry(after[1])}
return answer
