local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  bool address_split(const char *server, char *host, char *port);
  const char *address_path(const char *server);
]]

local function split(server)
  local host, port = ffi.new "char[256]", ffi.new "char[6]"
  if lib.address_split(server, host, port) then
    return { ffi.string(host), ffi.string(port) }
  end
end

describe("base/address", function()
  for server, expected in pairs {
    ["127.0.0.1:11300"] = { "127.0.0.1", "11300" },
    ["localhost:1"] = { "localhost", "1" },
    ["[::1]:65535"] = { "::1", "65535" },
    ["[fe80::1%eth0]:6379"] = { "fe80::1%eth0", "6379" },
    [("h"):rep(255) .. ":80"] = { ("h"):rep(255), "80" },
  } do
    it("splits " .. server:sub(1, 30), function()
      assert.same(expected, split(server))
    end)
  end

  for _, server in ipairs {
    "", ":", "host", "host:", ":80", "host:0", "host:65536", "host:80x", "host:-1", "host: 80", "::1:80", "[]:80",
    "[::1]80", "[::1:80", "host:123456", ("h"):rep(256) .. ":80", "unix:/tmp/x",
  } do
    it("refuses '" .. server:sub(1, 30) .. "'", function()
      assert.is_nil(split(server))
    end)
  end

  it("finds the path of a unix socket", function()
    assert.equal("/run/redis.sock", ffi.string(lib.address_path "unix:/run/redis.sock"))
    assert.equal("", ffi.string(lib.address_path "unix:"))
    assert.is_true(lib.address_path "127.0.0.1:80" == nil)
  end)
end)
