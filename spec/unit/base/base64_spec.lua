local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"
local mime = require "mime"
local process = require "spec.support.process"

cdef "void base64_append(struct buffer *out, const char *bytes, size_t size);"

local function encode(bytes)
  local out, exact = buffers.new(), buffers.new(bytes)
  lib.base64_append(out, exact.memory, #bytes)
  return buffers.bytes(out)
end

local function all_bytes()
  local bytes = {}
  for i = 0, 255 do
    bytes[i + 1] = string.char(i)
  end
  return table.concat(bytes)
end

describe("base/base64", function()
  for text, expected in pairs { -- RFC 4648, 10
    [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy",
  } do
    it(("encodes %q as RFC 4648 does"):format(text), function()
      assert.equal(expected, encode(text))
    end)
  end

  it("encodes each byte as openssl does", function()
    local bytes = all_bytes()
    for _, text in ipairs { bytes, bytes:reverse(), bytes:sub(2), bytes:sub(3), bytes:rep(50) } do
      local code, output = process.run({ "openssl", "base64", "-A" }, { stdin = text })
      assert.same({ 0, output }, { code, encode(text) })
    end
  end)

  it("encodes each byte at each place, and each length", function()
    local bytes = all_bytes()
    for i = 0, 255 do
      local byte = string.char(i)
      for _, text in ipairs { byte, "a" .. byte, "ab" .. byte, byte .. "b", byte .. "bc", bytes:sub(1, i) } do
        assert.equal(mime.b64(text) or "", encode(text))
      end
    end
  end)

  it("appends to what is there", function()
    local out = buffers.new()
    lib.base64_append(out, "f", 1)
    lib.base64_append(out, "foo", 3)
    assert.equal("Zg==Zm9v", buffers.bytes(out))
  end)
end)
