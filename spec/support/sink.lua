--- A sink of the log for specs of sink classes: what the log hands to it and asks of it is seen here.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"
require "spec.support.buffer"

cdef "typedef struct _IO_FILE FILE;"
header "base/level.h"
header "config/config.h"
header "log/sink.h"
cdef [[
  void log_provide(unsigned kind, const struct sink_class *class, void *context);
  void log_open(struct uv_loop_s *loop, const struct config *config);
  void log_close(void);
]]

jit.off() -- compiled code must not call what calls back (luajit.org/ext_ffi_semantics.html)

local REDIS, EMAIL = 3, 4
local sinks = {}

local parsed = {}

local function parse(yaml)
  local errors, environment = ffi.new "struct buffer", ffi.new("char *[1]")
  local config = lib.config_parse("config.yml", yaml, #yaml, environment, nil, 0, errors)
  assert(config ~= nil, errors.memory ~= nil and ffi.string(errors.memory) or "")
  parsed[#parsed + 1] = environment
  return config
end

--- Opens a log of two sinks of our own at `level`, instead of the one that is open. Returns the `struct sink *` of one,
-- for a class to report to, and the list of the lines that the log hands to the other.
function sinks.open(level)
  local lines, handle = {}, nil
  local class = ffi.new "struct sink_class"
  local functions = {
    open = function(_, config, sink)
      handle = handle or sink
      return ffi.cast("void *", ffi.cast("intptr_t", config.to))
    end,
    take = function(state, record)
      if tonumber(ffi.cast("intptr_t", state)) == REDIS then
        lines[#lines + 1] = ffi.string(record.line, record.line_size)
      end
    end,
    flush = function()
      return false
    end,
    close = function() end,
  }
  local callbacks = {}
  for name, call in pairs(functions) do
    callbacks[name] = ffi.cast(ffi.typeof(class[name]), call)
    class[name] = callbacks[name]
  end
  parsed[#parsed + 1] = { class, callbacks } -- alive as long as the log has them
  lib.log_close()
  lib.log_provide(EMAIL, class, nil)
  lib.log_provide(REDIS, class, nil)
  lib.log_open(nil, parse((
    "redis: {server: 'localhost:1'}\n"
      .. "log: [{to: email, server: 'smtp://localhost', address: a@b.c, level: %s}, "
      .. "{to: redis, format: line, level: %s}]"
  ):format(level, level)))
  return handle, lines
end

--- A sink of the configuration, from YAML such as "{to: stderr}".
function sinks.config(yaml)
  return parse("log: [" .. yaml .. "]").log[0]
end

--- A record as a sink class gets it; its line has to end with a newline.
function sinks.record(line, message, level)
  message = message or ""
  parsed.texts = { line, message } -- alive until the next one
  return ffi.new("struct sink_record", {
    level = level or 1, time_ms = 1795491777123, channel = "test", message = message, size = #message,
    line = line, line_size = #line, filled = message, filled_size = #message,
  })
end

return sinks
