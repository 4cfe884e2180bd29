local buffers = require "spec.support.buffer"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "config/units.h"

local function read(reader, text)
  local value = ffi.new "uint64_t[1]"
  return lib[reader](text, value) and tonumber(value[0]) or nil
end

local function print_with(printer, value)
  local out = buffers.new()
  lib[printer](out, value)
  return buffers.bytes(out)
end

local KB, MB, GB = 2 ^ 10, 2 ^ 20, 2 ^ 30

describe("config/units", function()
  it("reads whole numbers of up to 11 digits", function()
    for text, number in pairs { ["0"] = 0, ["007"] = 7, ["99999999999"] = 99999999999 } do
      assert.equal(number, read("units_number", text))
    end
    for _, text in ipairs { "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "113x", "100000000000" } do
      assert.is_nil(read("units_number", text), text)
    end
  end)

  it("reads durations", function()
    for text, ms in pairs {
      ["0"] = 0, ["25"] = 25000, ["0ms"] = 0, ["250ms"] = 250, ["25s"] = 25000, ["5m"] = 300000, ["2h"] = 7200000,
      ["7d"] = 7 * 86400000, ["99999999999d"] = 99999999999 * 86400000,
    } do
      assert.equal(ms, read("units_duration", text))
    end
    for _, text in ipairs { "", "s", "1 s", "1S", "1.5s", "-1s", "5min", "1MB", "5ms ", "1h30m" } do
      assert.is_nil(read("units_duration", text), text)
    end
  end)

  it("reads sizes", function()
    for text, bytes in pairs {
      ["0"] = 0, ["1"] = 1, ["64KB"] = 64 * KB, ["512MB"] = 512 * MB, ["2GB"] = 2 * GB, ["0GB"] = 0,
      ["17179869183GB"] = 17179869183 * GB,
    } do
      assert.equal(bytes, read("units_size", text))
    end
    for _, text in ipairs { "", "MB", "1 MB", "1mb", "1M", "1B", "1.5GB", "-1MB", "1TB", "5s" } do
      assert.is_nil(read("units_size", text), text)
    end
  end)

  it("refuses a size over 64 bits, whatever it would wrap to", function()
    for _, text in ipairs { "17179869184GB", "17179869185GB", "99999999999GB" } do
      assert.is_nil(read("units_size", text), text)
    end
  end)

  it("prints in the largest unit that is exact, and reads that back", function()
    for text, ms in pairs { ["0ms"] = 0, ["1ms"] = 1, ["1500ms"] = 1500, ["8s"] = 8000, ["1m"] = 60000,
      ["61s"] = 61000, ["1h"] = 3600000, ["36h"] = 36 * 3600000, ["20d"] = 20 * 86400000 } do
      assert.equal(text, print_with("units_print", ms))
      assert.equal(ms, read("units_duration", text))
    end
    for text, bytes in pairs { ["1"] = 1, ["1023"] = 1023, ["1KB"] = KB, ["1025"] = 1025, ["512MB"] = 512 * MB,
      ["1536KB"] = 1536 * KB, ["1GB"] = GB, ["1025MB"] = 1025 * MB, ["1024GB"] = 1024 * GB } do
      assert.equal(text, print_with("units_print_size", bytes))
      assert.equal(bytes, read("units_size", text))
    end
    assert.equal(0, read("units_size", print_with("units_print_size", 0)))
  end)
end)
