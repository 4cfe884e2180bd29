-- Any value as text for people, bounded: for reasons and log records. Nothing here raises an error.
local json = require "lunastalk.json"

local find, format, getmetatable, pcall, sub, tostring, type = string.find, string.format, getmetatable, pcall,
  string.sub, tostring, type
local encode = json.encode

local text = {}

--- At most `limit` bytes of `value`, and a mark where something is missing.
function text.bounded(value, limit)
  if #value <= limit then
    return value
  end
  local mark = format("… (%d bytes)", #value)
  local cut = sub(value, 1, limit - #mark)
  -- Not in the middle of a character.
  local start = find(cut, "[\192-\255][\128-\191]*$")
  return (start and sub(cut, 1, start - 1) or cut) .. mark
end

-- A table says what it is by its own __tostring; without one its content says more than its address.
local function describe(value)
  local kind = type(value)
  if kind == "table" then
    local meta = getmetatable(value)
    if type(meta) ~= "table" or meta.__tostring == nil then
      local fine, encoded = pcall(encode, value)
      if fine then
        return encoded
      end
    end
  end
  return tostring(value)
end

--- `value` as text of at most `limit` bytes.
function text.of(value, limit)
  if type(value) == "string" then
    return text.bounded(value, limit)
  end
  local fine, result = pcall(describe, value)
  if not fine or type(result) ~= "string" then
    result = format("(a %s that cannot be shown)", type(value))
  end
  return text.bounded(result, limit)
end

return text
