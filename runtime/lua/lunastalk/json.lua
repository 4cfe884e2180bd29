--- JSON for handlers.
---
--- Integers are exact up to 2^53, every other number is the shortest text that reads back as the same number, and what
--- JSON cannot hold is an error instead of something else.

-- Decoding is lua-cjson's. Encoding is our own, because cjson keeps 14 digits of a number only.
local cjson = require("cjson.safe").new()

-- Handlers may replace what they like: our own modules keep what they need.
local byte, concat, error, find, floor, format, gsub, next, pcall, rawequal, sort, tonumber, type = string.byte,
  table.concat, error, string.find, math.floor, string.format, string.gsub, next, pcall, rawequal, table.sort, tonumber,
  type

local json = {}

local DEPTH = 64
local EXACT = 2 ^ 53

cjson.decode_invalid_numbers(false)

local refusal -- why the last value that was refused cannot be encoded

local function refuse(form, ...)
  refusal = format(form, ...)
  error(refusal, 0)
end

--- JSON's `null`: decoding yields it, encoding takes it.
json.null = cjson.null

--- A list without elements: encodes as `[]`, also inside of other tables, where an empty table encodes as `{}`.
json.empty_array = {}

local null, empty_array = json.null, json.empty_array

--- Reads JSON. `[]` and `{}` both become an empty table, which is written as `{}`: what shall stay a list is to be
--- `json.empty_array`.
---@param text string
---@return any value an object or a list as a table, `null` as `json.null`; or nil
---@return string? message why it is no JSON
function json.decode(text)
  return cjson.decode(text)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local SPECIAL = '[%z\1-\31"\\\127]'

local function escape(char)
  return escapes[char] or format("\\u%04x", byte(char))
end

-- The characters beyond ASCII in well-formed UTF-8 (The Unicode Standard, table 3-7).
local utf8 = { "[\194-\223][\128-\191]", "\224[\160-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]",
  "\237[\128-\159][\128-\191]", "\240[\144-\191][\128-\191][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]" }

local function is_utf8(text)
  for i = 1, #utf8 do
    text = gsub(text, utf8[i], ".")
  end
  return not find(text, "[\128-\255]")
end

local function quote(text)
  if find(text, "[\128-\255]") and not is_utf8(text) then
    refuse "a string that is not UTF-8 cannot be encoded as JSON"
  end
  if find(text, SPECIAL) then
    text = gsub(text, SPECIAL, escape)
  end
  return '"' .. text .. '"'
end

local function number(value)
  if value ~= value or value == 1 / 0 or value == -1 / 0 then
    refuse("the number %s cannot be encoded as JSON", value)
  end
  if value == floor(value) and value <= EXACT and value >= -EXACT then
    return format("%.0f", value)
  end
  local text = format("%.15g", value)
  if tonumber(text) ~= value then
    text = format("%.16g", value)
  end
  return tonumber(text) == value and text or format("%.17g", value)
end

local encode

-- The elements of a list, which has no other keys; nil when the table is none.
local function list_size(value)
  local size, count = #value, 0
  for key in next, value do
    if type(key) ~= "number" then
      return nil
    end
    count = count + 1
  end
  if count ~= size then
    refuse "a list with holes cannot be encoded as JSON (use json.null)"
  end
  return size
end

local function encode_list(value, size, depth)
  local parts = {}
  for i = 1, size do
    parts[i] = encode(value[i], depth)
  end
  return "[" .. concat(parts, ",") .. "]"
end

local function encode_object(value, depth)
  local keys, parts = {}, {}
  for key in next, value do
    if type(key) ~= "string" then
      refuse("a table with a key of type %s beside names cannot be encoded as JSON", type(key))
    end
    keys[#keys + 1] = key
  end
  sort(keys)
  for i = 1, #keys do
    parts[i] = quote(keys[i]) .. ":" .. encode(value[keys[i]], depth)
  end
  return "{" .. concat(parts, ",") .. "}"
end

local function encode_table(value, depth)
  if rawequal(value, empty_array) then
    return "[]"
  end
  if depth > DEPTH then
    refuse("a table nested deeper than %d levels (or in itself) cannot be encoded as JSON", DEPTH)
  end
  local size = next(value) ~= nil and type(next(value)) == "number" and list_size(value)
  if size then
    return encode_list(value, size, depth + 1)
  end
  return encode_object(value, depth + 1)
end

function encode(value, depth)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return value and "true" or "false"
  elseif kind == "table" then
    return encode_table(value, depth)
  elseif rawequal(value, null) or kind == "nil" then
    return "null"
  end
  refuse("a %s cannot be encoded as JSON", kind)
end

--- Writes JSON, the keys of objects sorted.
--- Raises an error for what JSON cannot hold: NaN and infinity, strings that are not UTF-8, functions and the like,
--- lists with holes, tables with both names and numbers as keys, tables nested deeper than 64 levels.
---@param value any
---@return string text
function json.encode(value)
  local fine, result = pcall(encode, value, 1)
  if not fine then -- what else is raised in there, as at a time limit, has no place either
    error(result, rawequal(result, refusal) and 2 or 0)
  end
  return result
end

return json
