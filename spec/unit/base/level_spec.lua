local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  const char *level_name(unsigned level);
  int level_parse(const char *name);
]]

local NAMES = { "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" }

describe("base/level", function()
  it("has the eight names of PSR-3 in their order, both ways", function()
    for i, name in ipairs(NAMES) do
      assert.equal(name, ffi.string(lib.level_name(i - 1)))
      assert.equal(i - 1, lib.level_parse(name))
    end
  end)

  it("knows no others", function()
    for _, number in ipairs { 8, 255, 0xffffffff } do
      assert.equal("?", ffi.string(lib.level_name(number)))
    end
    for _, name in ipairs { "", "Debug", "warn", "debug ", "?" } do
      assert.equal(-1, lib.level_parse(name))
    end
  end)
end)
