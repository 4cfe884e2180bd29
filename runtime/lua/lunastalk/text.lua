-- Any value as text for people, bounded: for reasons and log records. Nothing here raises an error.
local json = require "lunastalk.json"

local find, format, getmetatable, next, pcall, rawequal, rawget, sort, sub, tostring, type = string.find, string.format,
  getmetatable, next, pcall, rawequal, rawget, table.sort, string.sub, tostring, type
local encode, null, empty_array = json.encode, json.null, json.empty_array

local STRING, DEEPEST, ENTRIES = 2000, 8, 1000 -- of what is inside of a table

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

local function shown(value)
  local fine, result = pcall(tostring, value)
  return fine and type(result) == "string" and result or format("(a %s that cannot be shown)", type(value))
end

-- A table says what it is by its own __tostring; without one its content says more than its address.
local function is_data(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "table" and (type(meta) ~= "table" or rawget(meta, "__tostring") == nil)
end

local plain

-- The elements of a list without holes; nil when it is none.
local function list_size(value)
  local count = 0
  for _ in next, value do
    count = count + 1
  end
  for i = 1, count do
    if rawget(value, i) == nil then
      return nil
    end
  end
  return count > 0 and count or nil
end

local function sorted_keys(value)
  local keys, names = {}, {}
  for key in next, value do
    local name = text.bounded(shown(key), STRING)
    keys[#keys + 1] = name
    names[name] = key
  end
  sort(keys)
  return keys, names
end

local function copy(value, state, depth)
  local size, result = list_size(value), {}
  local keys, names
  if not size then
    keys, names = sorted_keys(value)
  end
  for i = 1, size or #keys do
    state.entries = state.entries + 1
    if state.entries > ENTRIES then
      result[size and i or "…"] = format("… (%d more)", (size or #keys) - i + 1)
      break
    end
    if size then
      result[i] = plain(rawget(value, i), state, depth)
    else
      result[keys[i]] = plain(rawget(value, names[keys[i]]), state, depth)
    end
  end
  return result
end

-- What JSON can hold: a value of any other kind becomes a string that says what it is.
function plain(value, state, depth)
  local kind = type(value)
  if kind == "boolean" or rawequal(value, null) or rawequal(value, empty_array) then
    return value
  elseif kind == "number" then
    return value - value == 0 and value or shown(value)
  elseif not is_data(value) then
    local result = kind == "string" and value or shown(value)
    return pcall(encode, result) and text.bounded(result, STRING) or format("(%d bytes that are not UTF-8)", #result)
  elseif state[value] then
    return "(a table in itself)"
  elseif depth > DEEPEST then
    return "(a table, deeper)"
  end
  state[value] = true
  local result = copy(value, state, depth + 1)
  state[value] = nil
  return result
end

--- A table as JSON, whatever is in it; nil for what is no table, or says itself what it is.
function text.json(value)
  if not is_data(value) then
    return nil
  end
  local fine, result = pcall(function()
    return encode(plain(value, { entries = 0 }, 1))
  end)
  return fine and result or shown(value)
end

--- `value` as text of at most `limit` bytes.
function text.of(value, limit)
  return text.bounded(type(value) == "string" and value or text.json(value) or shown(value), limit)
end

return text
