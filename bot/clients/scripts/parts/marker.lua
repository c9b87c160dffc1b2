-- The proof in Redis that a request was carried out: its random key, then what the change found
-- and did, as name=value.

local KEPT_SECONDS = 30 * 24 * 3600

-- What was recorded for this request; nil where nothing was. Another key is not ours.
local function recorded(marker, key)
  local text = redis.call('GET', marker)
  if not text or string.sub(text, 1, #key + 1) ~= key .. ' ' then return nil end
  local facts = {}
  for name, value in string.gmatch(string.sub(text, #key + 2), '([^%s=]+)=(%S*)') do
    facts[#facts + 1] = name
    facts[#facts + 1] = value
  end
  return facts
end

local function record(marker, key, facts)
  local words = {key}
  for i = 1, #facts, 2 do
    facts[i + 1] = tostring(facts[i + 1])
    words[#words + 1] = facts[i] .. '=' .. facts[i + 1]
  end
  -- At maxmemory Redis refuses only the first write of a script, and only one that needs memory.
  -- EXPIRE needs none, so SET is never refused behind it.
  redis.call('EXPIRE', marker, KEPT_SECONDS)
  redis.call('SET', marker, table.concat(words, ' '), 'EX', KEPT_SECONDS)
  return facts
end

-- Redis does not undo a script that is refused midway: everything that comes from the first write
-- on is asked for before it. An error to return; nil where all is allowed.
local function refused(marker, commands)
  commands[#commands + 1] = {'EXPIRE', marker, KEPT_SECONDS}
  commands[#commands + 1] = {'SET', marker, '', 'EX', KEPT_SECONDS}
  for _, command in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM this user may not run ' .. command[1])
    end
  end
  return nil
end

local function stale(why)
  return {'result', 'stale', 'why', why}
end
