--- Records in the worker's log, with the handler's name and the job's id.
---
---     log.info("mailing {to}", { to = job.data.to })
---
--- `{name}` stands for the field of the context; fields without a place in the message follow it. A field is a
--- string, a number, a boolean or a table, which is shown as JSON; any other value is shown as text. `exception` is for
--- an error that was caught, with its traceback: `xpcall(f, debug.traceback)` gives one.
local host = require "lunastalk.host"
local json = require "lunastalk.json"
local text = require "lunastalk.text"

local error, find, format, next, rawequal, setmetatable, sort, type = error, string.find, string.format, next, rawequal,
  setmetatable, table.sort, type
local encode, null, of, shown_as_json, put, lowest = json.encode, json.null, text.of, text.json, host.log, host.lowest

local FIELDS = 64
local KEY, VALUE, MESSAGE = 256, 16 * 1024, 64 * 1024
local TEXT, LITERAL = 0, 1 -- enum wire_value of executor/wire.h

-- enum level of base/level.h
local levels = { debug = 0, info = 1, notice = 2, warning = 3, error = 4, critical = 5, alert = 6, emergency = 7 }

-- JSON and its kind on the wire, or text and its kind.
local function render(value)
  local kind = type(value)
  if kind == "boolean" or kind == "number" and value - value == 0 or rawequal(value, null) then
    return encode(value), LITERAL
  end
  local encoded = shown_as_json(value)
  if encoded and #encoded <= VALUE then
    return encoded, LITERAL
  end
  return of(encoded or value, VALUE), TEXT
end

-- key, kind, value, key, … in the order of the keys; those of `context` before those of `added`.
local function fields(context, added)
  local keys, values, flat = {}, {}, {}
  local function take(from)
    for key, value in next, from do
      key = of(key, KEY)
      if values[key] == nil then
        keys[#keys + 1] = key
      end
      values[key] = value
    end
  end
  take(added)
  take(context)
  sort(keys)
  for i = 1, #keys < FIELDS and #keys or FIELDS do
    flat[3 * i - 2] = keys[i]
    flat[3 * i], flat[3 * i - 1] = render(values[keys[i]])
  end
  return flat
end

local function check(context, depth)
  if context ~= nil and type(context) ~= "table" then
    error("the context of a log record is a table, not a " .. type(context), depth + 1)
  end
end

local function write(level, message, context, added)
  check(context, 3)
  put(level, of(message, MESSAGE), fields(context or {}, added))
end

-- log.warn is a typing error; what begins with _ is asked for by libraries.
local typed = {
  __index = function(_, name)
    if type(name) == "string" and find(name, "^%a") then
      error(format("there is no log.%s: there are debug, info, notice, warning, error, critical, alert, emergency, log "
        .. "and with", of(name, KEY)), 2)
    end
  end,
}

local make

-- The functions of a logger whose records have the fields of `added` too.
function make(added)
  local logger = {}
  for name, level in next, levels do
    logger[name] = function(message, context)
      if level >= lowest then
        write(level, message, context, added)
      end
    end
  end
  function logger.log(level, message, context)
    local number = levels[level]
    if not number then
      error(format("there is no log level %s", of(level, KEY)), 2)
    end
    if number >= lowest then
      write(number, message, context, added)
    end
  end
  function logger.with(context)
    check(context, 2)
    local both = {}
    for _, from in next, { added, context or {} } do
      for key, value in next, from do
        both[key] = value
      end
    end
    return make(both)
  end
  return setmetatable(logger, typed)
end

---@class lunastalk.Logger
---@field debug fun(message: any, context?: table) details for whoever looks for a fault
---@field info fun(message: any, context?: table) something happened, as it should
---@field notice fun(message: any, context?: table) unusual, but fine
---@field warning fun(message: any, context?: table) not as it should be, but the job goes on
---@field error fun(message: any, context?: table) something failed that somebody should look at
---@field critical fun(message: any, context?: table) a part of the application does not work
---@field alert fun(message: any, context?: table) somebody has to act now
---@field emergency fun(message: any, context?: table) nothing works
---@field log fun(level: string, message: any, context?: table) a record of the level of that name
--- a logger with the same functions, whose records have these fields too: `local log = log.with { order = 7 }`. What is
--- given with a record counts before it
---@field with fun(context: table): lunastalk.Logger
local log = make {}

return log
