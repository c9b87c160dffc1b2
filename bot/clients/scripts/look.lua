-- One look at one stream, read-only.
-- KEYS[1] stream   ARGV[1] group   ARGV[2] most entries to count
-- Answers {type} for anything that is no stream, else
-- {type, length, last ID ever, newest entry, group, waiting}; a nil in Redis' answer stays nil.

local function by_name(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function entry(raw)
  if not raw then return false end
  local fields = by_name(raw[2])
  return {raw[1], fields['groupId'] or false, fields['survey'] or false,
          fields['detector'] or false, fields['private_sndStamp'] or false}
end

local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'stream' then return {kind} end

local stream = by_name(redis.call('XINFO', 'STREAM', KEYS[1]))
local answer = {kind, stream['length'], stream['last-generated-id'], entry(stream['last-entry'])}

local group
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local candidate = by_name(flat)
  if candidate['name'] == ARGV[1] then group = candidate end
end
if not group then return answer end

-- pcall: after the largest possible ID nothing can follow, and Redis calls such a range an error.
local after = redis.pcall('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', ARGV[2])
if after['err'] then after = {} end

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

answer[5] = {group['last-delivered-id'], group['pending'], group['consumers'], group['lag'] or false}
answer[6] = {#after, visits, entry(after[1])}
return answer
