-- Literally what the procedure says, DEL and XGROUP CREATE, in one step. Parts: stream, marker.
-- KEYS stream, marker   ARGV request key, group, last ID ever of the plan, ever added then

local stream, marker = KEYS[1], KEYS[2]
local key, name, last_then, added_then = unpack(ARGV)

local known = recorded(marker, key)
if known then return known end

if is_missing(stream) then return stale('no_stream') end
local about = about_stream(stream)
if about['last-generated-id'] ~= last_then or about['entries-added'] ~= tonumber(added_then) then
  return stale('arrived')
end
local group, others = find_group(stream, name)

local refusal = refused(marker, {{'DEL', stream}, {'XGROUP', 'CREATE', stream, name, '$', 'MKSTREAM'}})
if refusal then return refusal end

-- DEL first: at maxmemory XGROUP CREATE alone is refused.
redis.call('DEL', stream)
redis.call('XGROUP', 'CREATE', stream, name, '$', 'MKSTREAM')

return record(marker, key, {
  'result', 'done', 'discarded', about['length'], 'length_before', about['length'], 'length_after', 0,
  'last_delivered_before', group and group['last-delivered-id'] or 'none',
  'pending_before', group and group['pending'] or 0,
  'consumers_before', group and group['consumers'] or 0,
  'groups_dropped', #others + (group and 1 or 0),
})
