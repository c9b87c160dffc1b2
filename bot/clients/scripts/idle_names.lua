-- Consumer names with nothing pending that were idle past a limit, read-only. Parts: stream.
-- Only names are answered: XINFO CONSUMERS is 10 MB at 100,000.
-- KEYS stream   ARGV group, idle limit in ms
-- Answers {how many names there are, name, ...}; {0} without stream or group.

if is_missing(KEYS[1]) or not find_group(KEYS[1], ARGV[1]) then return {0} end
local limit = tonumber(ARGV[2])
local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
local answer = {#consumers}
for _, flat in ipairs(consumers) do
  local name, pending, idle
  for i = 1, #flat, 2 do
    if flat[i] == 'name' then name = flat[i + 1] end
    if flat[i] == 'pending' then pending = flat[i + 1] end
    if flat[i] == 'idle' then idle = flat[i + 1] end
  end
  if pending == 0 and idle > limit then answer[#answer + 1] = name end
end
return answer
