-- What the options of our functions may be.
local host = require "lunastalk.host"
local text = require "lunastalk.text"

local find, floor, format, next, sort, type = string.find, math.floor, string.format, next, table.sort, type
local of, suggest = text.of, host.suggest

local U32 = 2 ^ 32 - 1

local rules = {}

-- A rule answers whether a value is allowed, and says what would be.

function rules.number(lowest, highest, step)
  local expected = format("a %s from %d to %.0f", step == 1 and "whole number" or "number", lowest, highest)
  return function(value)
    return type(value) == "number" and value >= lowest and value <= highest and (step ~= 1 or value == floor(value)),
      expected
  end
end

local function matching(pattern, longest, expected)
  return function(value)
    return type(value) == "string" and #value <= longest and find(value, pattern) ~= nil, expected
  end
end

local function is_name(value)
  local dotted = type(value) == "string" and "." .. value .. "." or ""
  local fine = #dotted <= 130 and find(dotted, "^[a-z0-9_.]+$") and not find(dotted, "%.[_.]")
    and not find(dotted, "^%.lib%.")
  return fine, "the name of a handler (email.welcome)"
end

local function is_url(value)
  return type(value) == "string" and find(value, "^https?://") ~= nil and not find(value, "[%z\1-\32\127]")
end

local function is_callback(value)
  local fine = is_url(value)
  if type(value) == "table" then
    fine = #value <= 10
    for place, each in next, value do
      fine = fine and type(place) == "number" and place >= 1 and place <= #value and is_url(each)
    end
  end
  return fine, "an http:// or https:// URL or a list of ten at most"
end

local function is_boolean(value)
  return type(value) == "boolean", "true or false"
end

local function unknown(key, allowed, path)
  local names = {}
  for name in next, allowed do
    names[#names + 1] = name
  end
  sort(names)
  local closest = type(key) == "string" and suggest(key, names)
  return format("there is no option %s%s%s", path, of(key, 100),
    closest and format("; did you mean %s%s?", path, closest) or "")
end

--- What is wrong with `values`, or nil. `path` goes before the names.
function rules.problem(values, allowed, path)
  for key, value in next, values do
    local rule = allowed[key]
    if not rule then
      return unknown(key, allowed, path)
    end
    if type(rule) == "function" then
      local fine, expected = rule(value)
      if not fine then
        return format("%s%s must be %s, not %s", path, key, expected, of(value, 100))
      end
    elseif type(value) ~= "table" then
      return format("%s%s must be a table, not %s", path, key, of(value, 100))
    else
      local inner = rules.problem(value, rule, path .. key .. ".")
      if inner then
        return inner
      end
    end
  end
end

local number = rules.number

rules.tube = matching("^[%w+/;.$_()][%w+/;.$_()-]*$", 200,
  "a name of at most 200 letters, digits and -+/;.$_() that does not begin with -")

--- What an envelope says beside job and data (job/envelope.h).
rules.of_envelope = {
  id = matching("^[%w._:-]+$", 128, "1 to 128 letters, digits and ._:-"),
  timeout = number(1, 2 ^ 31 - 1, 1),
  retry = { max = number(0, 1000, 1), delay = number(0, 86400, 1) },
  success = { callback = is_callback },
  error = { callback = is_callback, bury = is_boolean },
}

--- What queue.put() takes.
rules.of_put = {
  job = is_name,
  data = function() return true end,
  tube = rules.tube,
  priority = number(0, U32, 1),
  delay = number(0, U32, 1),
  ttr = number(1, U32, 1),
}
for name, rule in next, rules.of_envelope do
  rules.of_put[name] = rule
end

return rules
