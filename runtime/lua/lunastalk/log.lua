--- Records in the worker's log, with the handler's name and the job's id.
--
--     log.info("mailing {to}", { to = job.data.to })
--
-- `{name}` stands for the field of the context; fields without a place in the message follow it.
-- @module lunastalk.log
local host = require "lunastalk.host"
local json = require "lunastalk.json"
local text = require "lunastalk.text"

local error, format, next, rawequal, sort, type = error, string.format, next, rawequal, table.sort, type
local encode, null, of, put, lowest = json.encode, json.null, text.of, host.log, host.lowest

local FIELDS = 64
local KEY, VALUE, MESSAGE = 256, 16 * 1024, 64 * 1024
local TEXT, LITERAL = 0, 1 -- enum wire_value of executor/wire.h

-- enum level of base/level.h
local levels = { debug = 0, info = 1, notice = 2, warning = 3, error = 4, critical = 5, alert = 6, emergency = 7 }

local log = {}

local function is_literal(value)
  local kind = type(value)
  return kind == "boolean" or kind == "number" and value - value == 0 or rawequal(value, null)
end

-- key, kind, value, key, … in the order of the keys.
local function fields(context)
  local keys, values, flat = {}, {}, {}
  for key, value in next, context do
    key = of(key, KEY)
    if values[key] == nil then
      keys[#keys + 1] = key
    end
    values[key] = value
  end
  sort(keys)
  for i = 1, #keys < FIELDS and #keys or FIELDS do
    local value = values[keys[i]]
    local literal = is_literal(value)
    flat[3 * i - 2] = keys[i]
    flat[3 * i - 1] = literal and LITERAL or TEXT
    flat[3 * i] = literal and encode(value) or of(value, VALUE)
  end
  return flat
end

local function write(level, message, context)
  if context ~= nil and type(context) ~= "table" then
    error("the context of a log record is a table, not a " .. type(context), 3)
  end
  put(level, of(message, MESSAGE), fields(context or {}))
end

--- Writes a record of a level given by its name.
-- @tparam string level `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`
-- @tparam string message
-- @tparam[opt] table context fields: strings, numbers, booleans; any other value is shown as text, a table as JSON
function log.log(level, message, context)
  local number = levels[level]
  if not number then
    error(format("there is no log level %s", of(level, KEY)), 2)
  end
  if number >= lowest then
    write(number, message, context)
  end
end

local function writer(level)
  return function(message, context)
    if level >= lowest then
      write(level, message, context)
    end
  end
end

--- Details for whoever looks for a fault.
-- @function debug
-- @tparam string message
-- @tparam[opt] table context
log.debug = writer(levels.debug)
--- Something happened, as it should.
-- @function info
-- @tparam string message
-- @tparam[opt] table context
log.info = writer(levels.info)
--- Unusual, but fine.
-- @function notice
-- @tparam string message
-- @tparam[opt] table context
log.notice = writer(levels.notice)
--- Not as it should be, but the job goes on.
-- @function warning
-- @tparam string message
-- @tparam[opt] table context
log.warning = writer(levels.warning)
--- Something failed that somebody should look at.
-- @function error
-- @tparam string message
-- @tparam[opt] table context
log.error = writer(levels.error)
--- A part of the application does not work.
-- @function critical
-- @tparam string message
-- @tparam[opt] table context
log.critical = writer(levels.critical)
--- Somebody has to act now.
-- @function alert
-- @tparam string message
-- @tparam[opt] table context
log.alert = writer(levels.alert)
--- Nothing works.
-- @function emergency
-- @tparam string message
-- @tparam[opt] table context
log.emergency = writer(levels.emergency)

return log
