-- Exact counts without a long read: most was counted before, in chunks, by read-only calls.
-- Needs stream.lua.

-- What must not have changed since: the first entry, and how many were ever removed.
local function figures(key)
  if is_missing(key) then return {'none', '0'} end
  local about = about_stream(key)
  local first = about['first-entry']
  return {first and first[1] or 'empty', string.format('%.0f', about['entries-added'] - about['length'])}
end

local function unchanged(key, first, removed)
  local now = figures(key)
  return now[1] == first and now[2] == removed
end

-- Entries after `id`, where `counted` were found after `from` up to `to`.
-- nil where more than `most` would have to be read.
local function entries_after(key, id, from, to, counted, most)
  local passed = #range_after(key, from, id, most)
  local arrived = #range_after(key, to, '+', most)
  if passed >= tonumber(most) or arrived >= tonumber(most) then return nil end
  return counted - passed + arrived
end
