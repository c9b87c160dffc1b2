-- Creates the groups that are missing, of all streams in one step. Parts: stream, counting, marker.
-- KEYS stream, ..., marker
-- ARGV request key, most entries to count for a stream, then for each stream: group, ID to begin after,
--      ID counted to, entries counted, its figures then (first, removed)

local marker, key, most = KEYS[#KEYS], ARGV[1], ARGV[2]
local known = recorded(marker, key)
if known then return known end

local starts, created, existing, waiting = {}, {}, {}, {}
for i = 1, #KEYS - 1 do
  local name, after, to, counted, first, removed = unpack(ARGV, i * 6 - 3, i * 6 + 2)
  local there = not is_missing(KEYS[i])
  if there and find_group(KEYS[i], name) then
    existing[#existing + 1] = KEYS[i]
  else
    if not unchanged(KEYS[i], first, removed) then return {'result', 'recount'} end
    local behind = there and entries_after(KEYS[i], after, after, to, counted, most) or 0
    if not behind then return {'result', 'recount'} end
    local added = there and about_stream(KEYS[i])['entries-added'] or 0
    starts[#starts + 1] = {KEYS[i], name, after, string.format('%.0f', added - behind)}
    created[#created + 1] = KEYS[i]
    waiting[#waiting + 1] = 'waiting_' .. KEYS[i]
    waiting[#waiting + 1] = behind
  end
end

local needed = {}
for i, start in ipairs(starts) do needed[i] = {'XGROUP', 'CREATE', start[1], start[2], start[3]} end
local refusal = refused(marker, needed)
if refusal then return refusal end

for _, start in ipairs(starts) do
  redis.call('XGROUP', 'CREATE', start[1], start[2], start[3], 'MKSTREAM', 'ENTRIESREAD', start[4])
end

return record(marker, key, {
  'result', 'done', 'created', table.concat(created, ','), 'existing', table.concat(existing, ','),
  unpack(waiting),
})
