-- Sets the group to the ID where it stands, with the exact number of entries read, so that Redis'
-- own lag is right. Parts: ids, stream, counting, marker.
-- KEYS stream, marker
-- ARGV request key, most entries to count, group, last delivered ID when counting began, ID counted to,
--      entries counted, the stream's figures then (first, removed)

local stream, marker = KEYS[1], KEYS[2]
local key, most, name, from, to, counted, first, removed = unpack(ARGV)

local known = recorded(marker, key)
if known then return known end

if is_missing(stream) then return stale('no_stream') end
local group = find_group(stream, name)
if not group then return stale('no_group') end

local delivered = group['last-delivered-id']
if before(delivered, from) or not unchanged(stream, first, removed) then return {'result', 'recount'} end
local waiting = entries_after(stream, delivered, from, to, counted, most)
if not waiting then return {'result', 'recount'} end

local refusal = refused(marker, {{'XGROUP', 'SETID', stream, name, delivered}})
if refusal then return refusal end

local added = about_stream(stream)['entries-added']
redis.call('XGROUP', 'SETID', stream, name, delivered,
           'ENTRIESREAD', string.format('%.0f', added - waiting))

return record(marker, key, {
  'result', 'done', 'lag_before', group['lag'] or 'nil',
  'lag_after', find_group(stream, name)['lag'] or 'nil', 'waiting', waiting,
})
