--- Jobs put from a handler.
-- @module lunastalk.queue
local host = require "lunastalk.host"
local json = require "lunastalk.json"
local text = require "lunastalk.text"

local error, find, floor, format, next, pcall, type = error, string.find, math.floor, string.format, next, pcall, type
local encode, of, put = json.encode, text.of, host.put

local U32 = 2 ^ 32 - 1
local LARGEST = 32 * 1024 * 1024 -- bytes of a body: well below WIRE_LARGEST of executor/wire.h

local queue = {}

-- A rule answers whether a value is allowed, and says what would be.

local function number(lowest, highest, step)
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

-- What is wrong with `values`, or nil. `path` goes before the names.
local function problem(values, rules, path)
  for key, value in next, values do
    local rule = rules[key]
    if not rule then
      return format("there is no option %s%s", path, of(key, 100))
    end
    if type(rule) == "function" then
      local fine, expected = rule(value)
      if not fine then
        return format("%s%s must be %s, not %s", path, key, expected, of(value, 100))
      end
    elseif type(value) ~= "table" then
      return format("%s%s must be a table, not %s", path, key, of(value, 100))
    else
      local inner = problem(value, rule, path .. key .. ".")
      if inner then
        return inner
      end
    end
  end
end

local options_rules = {
  job = is_name,
  data = function() return true end,
  tube = matching("^[%w+/;.$_()][%w+/;.$_()-]*$", 200,
    "a name of at most 200 letters, digits and -+/;.$_() that does not begin with -"),
  priority = number(0, U32, 1),
  delay = number(0, U32, 1),
  ttr = number(1, U32, 1),
  id = matching("^[%w._:-]+$", 128, "1 to 128 letters, digits and ._:-"),
  timeout = number(1, 2 ^ 31 - 1, 1),
  retry = { max = number(0, 1000, 1), delay = number(0, 86400, 1) },
  success = { callback = is_callback },
  error = { callback = is_callback, bury = is_boolean },
}

--- Puts a job.
--
--     local id, message = queue.put { job = "send_email", data = { to = "…" }, delay = 60 }
--
-- Wrong options raise an error. A queue that does not take the job is none: then nil, a message and a code
-- (`JOB_TOO_BIG`, `DRAINING` …) are returned.
-- @tparam table options
-- @tparam string options.job the handler's name
-- @param[opt={}] options.data anything JSON can hold
-- @tparam[opt="default"] string options.tube
-- @tparam[opt=1024] number options.priority 0 is the most urgent, 4294967295 the least
-- @tparam[opt=0] number options.delay whole seconds before it becomes ready
-- @tparam[opt=60] number options.ttr time to run, whole seconds
-- @tparam[opt] string options.id the producer's own id
-- @tparam[opt] table options.success `{ callback = url or list of them }`
-- @tparam[opt] table options.error `{ callback = …, bury = true }`
-- @tparam[opt] table options.retry `{ max = 5, delay = 10 }`
-- @tparam[opt] number options.timeout seconds
-- @treturn string the job's id
function queue.put(options)
  if type(options) ~= "table" or options.job == nil then
    error('queue.put takes a table with the name of a handler: queue.put { job = "send_email" }', 2)
  end
  local wrong = problem(options, options_rules, "")
  if wrong then
    error("queue.put: " .. wrong, 2)
  end
  local fine, body = pcall(encode, {
    job = options.job, data = options.data, id = options.id, success = options.success, error = options.error,
    retry = options.retry, timeout = options.timeout,
  })
  if not fine then
    error("queue.put: " .. body, 2)
  end
  if #body > LARGEST then
    return nil, format("a body of %d bytes is too big", #body), "JOB_TOO_BIG"
  end
  return put(options.tube or "default", options.priority or 1024, options.delay or 0, options.ttr or 60, body)
end

return queue
