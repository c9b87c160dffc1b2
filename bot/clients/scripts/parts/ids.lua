-- Entry IDs are two 64-bit integers; Lua's numbers are exact to 2^53 only, so they stay text.

local LARGEST = '18446744073709551615'

local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return less(a_ms, b_ms) end
  return less(a_seq, b_seq)
end

local function plus_one(number)
  local head, nines = string.match(number, '^(%d-)(9*)$')
  local zeros = string.rep('0', #nines)
  if head == '' then return '1' .. zeros end
  return string.sub(head, 1, -2) .. (string.byte(head, -1) - 47) .. zeros
end

-- The ID that follows; nil after the largest one.
local function next_id(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  if seq ~= LARGEST then return ms .. '-' .. plus_one(seq) end
  if ms ~= LARGEST then return plus_one(ms) .. '-0' end
  return nil
end
