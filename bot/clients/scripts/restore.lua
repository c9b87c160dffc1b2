-- Puts back a chunk of what a clear kept. Parts: ids, stream, marker.
-- KEYS stream, archive, how far it was put back, marker
-- ARGV request key, group, ID to put back after, ID to put back to, most entries for this call
-- Answers {'restored', n} where more is left, and a result where not.

local stream, archive, progress, marker = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local key, name, after, last, most = unpack(ARGV)

local known = recorded(marker, key)
if known then return known end

local length = is_missing(stream) and 0 or redis.call('XLEN', stream)
local restored, same, length_before = 0, 0, length
local id, r, s, l = string.match(redis.call('GET', progress) or '',
                                 '^(%d+-%d+) restored=(%d+) same_ids=(%d+) length_before=(%d+)$')
if id then
  restored, same, length_before = tonumber(r), tonumber(s), tonumber(l)
  if before(after, id) then after = id end
end

local function given_up(why)
  return {'result', 'stale', 'why', why, 'restored', tostring(restored)}
end

if is_missing(stream) then return given_up('no_stream') end
local about = about_stream(stream)
local group = find_group(stream, name)
if not group then return given_up('no_group') end
if redis.call('EXISTS', archive) == 0 then return given_up('no_archive') end

local highest = about['last-generated-id']
if before(highest, group['last-delivered-id']) then highest = group['last-delivered-id'] end

local refusal = refused(marker, {
  {'XADD', stream, '*', 'field', 'value'}, {'TTL', archive}, {'DEL', archive}, {'SET', progress, ''},
})
if refusal then return refusal end

local found = range_after(archive, after, last, most)
for _, raw in ipairs(found) do
  -- Below an ID that was there before, Redis refuses an entry; below the group's, nobody reads it.
  local own = before(highest, raw[1])
  highest = redis.call('XADD', stream, own and raw[1] or '*', unpack(raw[2]))
  restored = restored + 1
  if own then same = same + 1 end
end

if #found > 0 and #range_after(archive, found[#found][1], last, 1) > 0 then
  -- It must outlive the archive: without it a repeat would put everything back twice.
  local left = redis.call('TTL', archive)
  redis.call('SET', progress,
    found[#found][1] .. ' restored=' .. restored .. ' same_ids=' .. same .. ' length_before=' .. length_before,
    'EX', left < 0 and KEPT_SECONDS or left + 60)
  return {'restored', tostring(restored)}
end

redis.call('DEL', archive)
-- Of no more use, and the bot may not delete it.
redis.call('SET', progress, 'done', 'EX', 1)
return record(marker, key, {
  'result', 'done', 'restored', restored, 'same_ids', same,
  'length_before', length_before, 'length_after', length + #found,
})
