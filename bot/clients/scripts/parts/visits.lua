-- Entries of each visit, in the order of their first entry. Needs stream.lua.
-- Entries of one stream have their fields in one order, so the place of groupId is tried first.
-- Answers {{first entry, entries}, ...}; entries without a groupId count together.

local function by_visit(entries)
  local visits, at, place = {}, {}, 1
  for _, raw in ipairs(entries) do
    local fields = raw[2]
    if fields[place] ~= 'groupId' then
      place = 1
      while fields[place] and fields[place] ~= 'groupId' do place = place + 2 end
    end
    local visit = fields[place + 1] or false
    if at[visit] then
      at[visit][2] = at[visit][2] + 1
    else
      at[visit] = {entry(raw), 1}
      visits[#visits + 1] = at[visit]
    end
  end
  return visits
end
