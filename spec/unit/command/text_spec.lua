local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"

cdef [[
  void text_escape(struct buffer *out, const char *bytes, size_t size, bool lines);
  void text_duration(struct buffer *out, uint64_t seconds);
]]

local function escaped(bytes, lines)
  local out = buffers.new ""
  lib.text_escape(out, bytes, #bytes, lines or false)
  return buffers.bytes(out)
end

describe("text_escape", function()
  it("lets nothing through that drives a terminal", function()
    for bytes, shown in pairs {
      ["plain é 漢 😀"] = "plain é 漢 😀",
      ["\27[2J\7"] = "\\u001b[2J\\u0007",
      ["a\nb\tc\r\0"] = "a\\u000ab\\u0009c\\u000d\\u0000",
      ["\127"] = "\\u007f",
      ["\194\155"] = "\\u009b",
      ["\226\128\168\226\128\174"] = "\\u2028\\u202e",
      ["\155\255a\195"] = "\\x9b\\xffa\\xc3",
    } do
      assert.equal(shown, escaped(bytes))
    end
  end)

  it("keeps newlines where lines are meant", function()
    assert.equal("a\nb\\u000d\n", escaped("a\nb\r\n", true))
  end)
end)

describe("text_duration", function()
  it("tells the two largest units", function()
    for seconds, text in pairs {
      [0] = "0 s", [59] = "59 s", [60] = "1 min", [125] = "2 min 5 s", [3600] = "1 h", [3601] = "1 h",
      [7260] = "2 h 1 min", [273600] = "3 d 4 h", [86400] = "1 d", [86399] = "23 h 59 min",
    } do
      local out = buffers.new ""
      lib.text_duration(out, seconds)
      assert.equal(text, buffers.bytes(out))
    end
  end)
end)
