-- Reading a stream.

local function by_name(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

-- A name of 100 kB is cut: one of them must not fill a message, or a row.
local function named(fields, field)
  local value = fields[field]
  return value and string.sub(value, 1, 200) or false
end

local function entry(raw)
  if not raw then return false end
  local fields = by_name(raw[2])
  return {raw[1], named(fields, 'groupId'), named(fields, 'survey'),
          named(fields, 'detector'), named(fields, 'private_sndStamp')}
end

local function is_missing(key)
  return redis.call('TYPE', key)['ok'] == 'none'
end

-- Fails with WRONGTYPE where the key holds something else.
local function about_stream(key)
  return by_name(redis.call('XINFO', 'STREAM', key))
end

-- The group, nil where it is missing; and the names of the others.
local function find_group(key, name)
  local found, others = nil, {}
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local candidate = by_name(flat)
    if candidate['name'] == name then found = candidate else others[#others + 1] = candidate['name'] end
  end
  return found, others
end

-- pcall: after the largest possible ID nothing can follow, and Redis calls such a range an error.
local function range_after(key, id, last, most)
  local found = redis.pcall('XRANGE', key, '(' .. id, last, 'COUNT', most)
  if not found['err'] then return found end
  if string.find(found['err'], 'start ID', 1, true) then return {} end
  error(found)
end
