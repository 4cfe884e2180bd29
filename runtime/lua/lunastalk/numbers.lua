-- Integers in a job's data that Lua's numbers do not hold: above 2^53 neighbours become one.
local byte, find, format, next, sub, tonumber, type = string.byte, string.find, string.format, next, string.sub,
  tonumber, type

local DIGITS, EXACT = 16, "9007199254740992" -- the digits of 2^53

local numbers = {}

local function is_digit(code)
  return code and code >= 48 and code <= 57
end

-- The first digit of a run of DIGITS or more that ends behind `at`, and the last one. Every such run has a digit at a
-- multiple of DIGITS, so that few bytes of a long body are looked at.
local function long_run(body, at)
  for i = at + DIGITS - at % DIGITS, #body, DIGITS do
    if is_digit(byte(body, i)) then
      local first, last = i, i
      while is_digit(byte(body, first - 1)) do
        first = first - 1
      end
      while is_digit(byte(body, last + 1)) do
        last = last + 1
      end
      if last - first + 1 >= DIGITS then
        return first, last
      end
    end
  end
end

-- The number when an integer above 2^53 may stand there; digits in a text can look the same.
local function integer(body, first, last)
  local digits = sub(body, first, last)
  local large = #digits > DIGITS or digits > EXACT
  if large and find(body, "^[%s,%]}]", last + 1) and not find(body, "^[%w.+]", first - 1) then
    return tonumber(digits)
  end
end

-- Where in `value` one of those numbers is, or its negative.
local function place_of(wanted, value, path)
  if type(value) == "number" then
    return (wanted[value] or wanted[-value]) and path
  elseif type(value) == "table" then
    for key, inner in next, value do
      local found = place_of(wanted, inner, format(type(key) == "number" and "%s[%d]" or "%s.%s", path, key))
      if found then
        return found
      end
    end
  end
end

--- Where an integer above 2^53 is: "data.order.id"; nil when there is none, which costs next to nothing.
-- @tparam string body the envelope
-- @param data what stands in it, decoded
function numbers.inexact(body, data)
  local wanted
  local first, last = long_run(body, 0)
  while first do
    local number = integer(body, first, last)
    if number then
      wanted = wanted or {}
      wanted[number] = true
    end
    first, last = long_run(body, last)
  end
  return wanted and place_of(wanted, data, "data")
end

return numbers
