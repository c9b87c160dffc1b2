-- Deletes the entries that a plan showed and moves the group past them. Parts: ids, stream, marker.
-- KEYS stream, archive, marker
-- ARGV request key, group, last ID of the plan, last delivered ID then, ever added then,
--      '1' where entries waited then, ms to keep the copy, '1' to make one

local stream, archive, marker = KEYS[1], KEYS[2], KEYS[3]
local key, name, last, delivered_then, added_then, waited, keep, copy = unpack(ARGV)

local known = recorded(marker, key)
if known then return known end

if is_missing(stream) then return stale('no_stream') end
local about = about_stream(stream)
local group = find_group(stream, name)
if not group then return stale('no_group') end

local delivered = group['last-delivered-id']
if about['entries-added'] < tonumber(added_then) or before(about['last-generated-id'], last) then
  return stale('recreated')
end
if before(delivered, delivered_then) then return stale('moved_back') end

local behind = before(delivered, last)
local waits = behind and #redis.call('XRANGE', stream, '(' .. delivered, last, 'COUNT', 1) > 0
if waited == '1' and not waits then return stale('all_read') end
if waited ~= '1' and waits then return stale('waiting') end
-- Where the group is past the plan, what it still has to read is among the newer entries.
local past = before(last, delivered) and #range_after(stream, delivered, '+', 5000)

local needed = {
  {'XPENDING', stream, name, '-', last, 500}, {'XACK', stream, name, last}, {'XTRIM', stream, 'MINID', '=', last},
  {'XLEN', stream}, {'XGROUP', 'SETID', stream, name, last},
}
if copy == '1' then
  needed[#needed + 1] = {'COPY', stream, archive}
  needed[#needed + 1] = {'XINFO', 'GROUPS', archive}
  needed[#needed + 1] = {'XGROUP', 'DESTROY', archive, name}
  needed[#needed + 1] = {'PEXPIRE', archive, keep}
end
local refusal = refused(marker, needed)
if refusal then return refusal end

if copy == '1' then
  local copied = redis.pcall('COPY', stream, archive)
  if type(copied) == 'table' then
    if string.find(copied['err'], 'OOM', 1, true) then return stale('memory') end
    return copied
  end
  if copied == 0 then return stale('archive_exists') end
  -- COPY took the group and every consumer name along; an exporter would list them.
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', archive)) do
    redis.call('XGROUP', 'DESTROY', archive, by_name(flat)['name'])
  end
  redis.call('PEXPIRE', archive, keep)
end

-- From here to the marker nothing may need memory first: XACK, XTRIM, XGROUP SETID do not.
local settled = 0
repeat
  local ids = {}
  for i, one in ipairs(redis.call('XPENDING', stream, name, '-', last, 500)) do ids[i] = one[1] end
  if #ids > 0 then settled = settled + redis.call('XACK', stream, name, unpack(ids)) end
until #ids == 0

local function trim_through(id)
  local following = next_id(id)
  if not following then return redis.call('XTRIM', stream, 'MAXLEN', '=', 0) end
  return redis.call('XTRIM', stream, 'MINID', '=', following)
end

-- In two steps, whose replies tell read and unread entries apart.
local tidied = trim_through(behind and delivered or last)
local discarded = behind and trim_through(last) or 0
local newer = redis.call('XLEN', stream)

if not past then
  redis.call('XGROUP', 'SETID', stream, name, last,
             'ENTRIESREAD', string.format('%.0f', about['entries-added'] - newer))
end

return record(marker, key, {
  'result', 'done', 'discarded', discarded, 'tidied', tidied, 'settled', settled, 'newer', newer,
  'length_before', about['length'], 'length_after', newer,
  'last_delivered_before', delivered, 'last_delivered_after', past and delivered or last,
  'waiting_before', discarded + (past or newer), 'waiting_after', past or newer,
  'copied', copy == '1' and about['length'] or 0,
})
