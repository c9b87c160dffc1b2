-- Acknowledges those of the plan's entries that are still pending and idle. Parts: stream, marker.
-- KEYS stream, marker   ARGV request key, group, least idle ms, entry ID, ...

local stream, marker = KEYS[1], KEYS[2]
local key, name, idle = unpack(ARGV, 1, 3)

local known = recorded(marker, key)
if known then return known end

if is_missing(stream) then return stale('no_stream') end
local group = find_group(stream, name)
if not group then return stale('no_group') end

local ids, kept = {}, 0
for i = 4, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', stream, name, 'IDLE', idle, id, id, 1) > 0 then
    ids[#ids + 1] = id
  elseif #redis.call('XPENDING', stream, name, id, id, 1) > 0 then
    kept = kept + 1
  end
end
if #ids == 0 then return stale('none_left') end

local refusal = refused(marker, {{'XACK', stream, name, ids[1]}})
if refusal then return refusal end

local settled = 0
for _, id in ipairs(ids) do settled = settled + redis.call('XACK', stream, name, id) end

return record(marker, key, {
  'result', 'done', 'settled', settled, 'kept', kept, 'gone', #ARGV - 3 - settled - kept,
  'pending_before', group['pending'], 'pending_after', group['pending'] - settled,
})
