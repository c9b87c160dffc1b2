-- How many consumer names a group has, and how many were left behind, read-only.
-- Counted here, because the answer of XINFO CONSUMERS is 10 MB at 100,000 names.
-- KEYS[1] stream   ARGV[1] group   ARGV[2] idle limit in ms
-- Answers {type}, {type, false} without the group, else {type, names, idle past the limit with nothing pending, with something pending, longest idle ms}.

local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'stream' then return {kind} end

local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers['err'] then
  if string.find(consumers['err'], 'NOGROUP', 1, true) then return {kind, false} end
  return consumers
end

local limit, idle, busy, longest = tonumber(ARGV[2]), 0, 0, 0
for _, flat in ipairs(consumers) do
  local pending, idle_for = 0, 0
  for i = 1, #flat, 2 do
    if flat[i] == 'pending' then pending = flat[i + 1] end
    if flat[i] == 'idle' then idle_for = flat[i + 1] end
  end
  if pending > 0 then busy = busy + 1 elseif idle_for > limit then idle = idle + 1 end
  if idle_for > longest then longest = idle_for end
end
return {kind, #consumers, idle, busy, longest}
