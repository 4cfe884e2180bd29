-- The options of a handler: what stands beside `process` in the table that its file returns.
local text = require "lunastalk.text"

local error, floor, format, next, type = error, math.floor, string.format, next, type
local of = text.of

local UNSET = 2 ^ 32 - 1 -- WIRE_UNSET of executor/wire.h
local TIMEOUT, RETRIES, DELAY = 2 ^ 31, 1000, 86400 -- the most: seconds, as in job/envelope.h

local options = {}

local function number(shown, name, value, least, most, whole)
  if type(value) ~= "number" or not (value >= least and value <= most) or whole and floor(value) ~= value then
    error(format("%s: %s must be a %snumber from %s to %s, not %s", shown, name, whole and "whole " or "", least, most,
      of(value, 100)), 0)
  end
  return value
end

local function check_keys(shown, where, given, known, there_are)
  for key, value in next, given do
    if not known[key] and (where ~= "" or type(value) ~= "function") then
      error(format("%s: there is no option %s%s: there are %s", shown, where, of(key, 100), there_are), 0)
    end
  end
end

--- Checks the options and completes them. Functions of other names are the handler's own business.
-- @tparam string shown the file, for messages
-- @tparam table given what the file returned
-- @treturn table { timeout = ms or 0, max =, delay = } as the HANDLER frame has them
function options.read(shown, given)
  check_keys(shown, "", given, { process = true, timeout = true, retry = true }, "timeout and retry")
  local read = { timeout = 0, max = UNSET, delay = UNSET }
  if given.timeout ~= nil then
    read.timeout = floor(number(shown, "timeout", given.timeout, 0.001, TIMEOUT / 1000) * 1000)
  end
  local retry = given.retry
  if retry ~= nil then
    if type(retry) ~= "table" then
      error(format("%s: retry must be a table { max = …, delay = … }, not %s", shown, of(retry, 100)), 0)
    end
    check_keys(shown, "retry.", retry, { max = true, delay = true }, "retry.max and retry.delay")
    read.max = retry.max ~= nil and number(shown, "retry.max", retry.max, 0, RETRIES, true) or UNSET
    read.delay = retry.delay ~= nil and number(shown, "retry.delay", retry.delay, 0, DELAY, true) or UNSET
  end
  return read
end

return options
