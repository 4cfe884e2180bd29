local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

cdef "typedef struct _IO_FILE FILE;"
header "base/level.h"
header "config/config.h"

local environment = ffi.new "char *[1]"

local function parse(text)
  local errors = buffers.new()
  local config = lib.config_parse("config.yml", text, #text, environment, nil, 0, errors)
  assert.is_true(config ~= nil, "refused")
  return ffi.gc(config, lib.config_free)
end

local function changes(before, after)
  local paths = buffers.new()
  lib.config_changes(parse(before), parse(after), paths)
  return buffers.bytes(paths)
end

describe("config/changes", function()
  it("names nothing where nothing changed, whatever it is written like", function()
    assert.equal("", changes("", "worker: {tubes: [default], executors: 1}"))
  end)

  it("names what needs a restart, and not what a reload takes over", function()
    assert.equal("worker.tubes, callbacks.secret", changes("callbacks: {secret: aaaa}",
      "{worker: {tubes: [a, b]}, callbacks: {secret: bbbb}, jobs: {path: x, timeout: 5}, log: [{to: stderr}], "
      .. "settings: {a: 1}}"))
  end)
end)
