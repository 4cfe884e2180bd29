local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"

cdef "void escape_append(struct buffer *out, const char *bytes, size_t size, int mode);"

local LINE, LINES, QUOTED = 0, 1, 2

local function escaped(text, mode)
  local out, bytes = buffers.new(), buffers.new(text)
  lib.escape_append(out, bytes.memory, #text, mode or LINE)
  return buffers.bytes(out)
end

describe("base/escape", function()
  for text, shown in pairs {
    [""] = "",
    ["plain é 漢 😀 \\ \" ' {}"] = "plain é 漢 😀 \\ \" ' {}",
    ["\27[2J\7"] = "\\u001b[2J\\u0007",
    ["a\nb\tc\r\0"] = "a\\nb\\tc\\r\\u0000",
    ["\31 ~\127"] = "\\u001f ~\\u007f",
    ["\194\128\194\133\194\155\194\159\194\160"] = "\\u0080\\u0085\\u009b\\u009f\194\160",
    ["\226\128\142\226\128\143"] = "\\u200e\\u200f", -- left-to-right, right-to-left mark
    ["\226\128\167\226\128\168\226\128\169\226\128\170\226\128\174\226\128\175"] =
      "\226\128\167\\u2028\\u2029\\u202a\\u202e\226\128\175",
    ["\226\129\165\226\129\166\226\129\169\226\129\170"] = "\226\129\165\\u2066\\u2069\226\129\170",
    ["\239\187\191\239\191\189\239\191\190\239\191\191"] = "\\ufeff\239\191\189\\ufffe\\uffff",
    ["\155\255a\195"] = "\\x9b\\xffa\\xc3",
    ["\226\128"] = "\\xe2\\x80",
    ["\237\160\128"] = "\\xed\\xa0\\x80", -- a surrogate
    ["\192\128"] = "\\xc0\\x80", -- an overlong NUL
  } do
    it("shows " .. (shown == "" and "nothing" or shown), function()
      assert.equal(shown, escaped(text))
    end)
  end

  it("keeps newlines, and no more, where lines are meant", function()
    assert.equal("a\nb\\r\n\"\\\\t", escaped("a\nb\r\n\"\\\t", LINES))
  end)

  it("escapes quotes and backslashes between quotes, and newlines too", function()
    assert.equal([[\"a\\n\n\\\"]], escaped('"a\\n\n\\"', QUOTED))
  end)

  it("appends, any byte between any others, nothing that it should not", function()
    for mode = LINE, QUOTED do
      for byte = 0, 255 do
        local text = escaped("x" .. string.char(byte) .. "y", mode)
        assert.equal(mode == LINES and byte == 10, text:find "[%z\1-\31\127-\255]" ~= nil)
        assert.matches("^x.+y$", text)
      end
    end
  end)
end)
