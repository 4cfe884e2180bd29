local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

cdef [[
  struct sockaddr { unsigned short family; char data[26]; };
  int inet_pton(int family, const char *text, void *address);
]]
header "transfer/guard.h"

local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10

-- family, port (2 bytes), then the address of IPv4, or the flow (4 bytes) and that of IPv6
local function address(text)
  local made = ffi.new "struct sockaddr"
  made.family = text:find ":" and AF_INET6 or AF_INET
  assert.equal(1, ffi.C.inet_pton(made.family, text, made.data + (made.family == AF_INET and 2 or 6)))
  return made
end

local function refused(text)
  local why = lib.guard_refuses(address(text))
  return why ~= nil and ffi.string(why) or nil
end

local function allows(list, host, text)
  return lib.guard_allows(ffi.new("const char *[?]", #list + 1, list), #list, host, address(text))
end

describe("transfer/guard", function()
  for _, case in ipairs {
    { "0.0.0.0", "1122" }, { "0.255.255.255", "1122" }, { "10.0.0.0", "1918" }, { "10.255.255.255", "1918" },
    { "100.64.0.0", "6598" }, { "100.127.255.255", "6598" }, { "127.0.0.1", "1122" }, { "127.255.255.254", "1122" },
    { "169.254.169.254", "3927" }, { "172.16.0.0", "1918" }, { "172.31.255.255", "1918" }, { "192.0.0.1", "6890" },
    { "192.0.2.1", "5737" }, { "192.88.99.1", "7526" }, { "192.168.0.1", "1918" }, { "198.18.0.1", "2544" },
    { "198.19.255.255", "2544" }, { "198.51.100.1", "5737" }, { "203.0.113.1", "5737" }, { "224.0.0.1", "5771" },
    { "239.255.255.255", "5771" }, { "240.0.0.1", "1112" }, { "255.255.255.255", "1112" },
    { "::", "4291" }, { "::1", "4291" }, { "::127.0.0.1", "4291" }, { "::8.8.8.8", "4291" },
    { "::ffff:127.0.0.1", "1122" }, { "::ffff:10.0.0.1", "1918" }, { "::ffff:a9fe:a9fe", "3927" },
    { "64:ff9b::127.0.0.1", "1122" }, { "64:ff9b::10.0.0.1", "1918" }, { "64:ff9b:1::1", "8215" },
    { "100::1", "6666" }, { "2001::1", "2928" }, { "2001:1ff::1", "2928" }, { "2001:db8::1", "3849" },
    { "2002:7f00:1::", "1122" }, { "2002:a9fe:a9fe::1", "3927" }, { "2002:c0a8:1::1", "1918" }, { "3fff::1", "9637" },
    { "5f00::1", "9602" }, { "fc00::1", "4193" }, { "fdff::1", "4193" }, { "fe80::1", "4291" }, { "febf::1", "4291" },
    { "fec0::1", "3879" }, { "ff02::1", "4291" },
  } do
    it("refuses " .. case[1], function()
      assert.matches("RFC " .. case[2] .. "$", refused(case[1]) or "")
    end)
  end

  for _, text in ipairs {
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1", "2001:200::1",
    "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2400::1", "2c00::1",
  } do
    it("lets through " .. text, function()
      assert.is_nil(refused(text))
    end)
  end

  it("refuses other families", function()
    local made = ffi.new "struct sockaddr"
    made.family = AF_UNIX
    assert.equal("of an unknown family", ffi.string(lib.guard_refuses(made)))
    assert.is_false(lib.guard_allows(ffi.new("const char *[1]", { "::/0" }), 1, "x", made))
  end)

  for _, case in ipairs {
    { {}, "a", "127.0.0.1", false },
    { { "10.0.0.0/8" }, "a", "10.1.2.3", true },
    { { "10.0.0.0/8" }, "a", "11.1.2.3", false },
    { { "127.0.0.1" }, "0x7f.1", "127.0.0.1", true },
    { { "127.0.0.1" }, "::ffff:127.0.0.1", "::ffff:127.0.0.1", true },
    { { "::1" }, "a", "127.0.0.1", false },
    { { "intern.example" }, "intern.example", "10.0.0.1", true },
    { { "intern.example" }, "INTERN.example", "10.0.0.1", true },
    { { "intern.example" }, "a.intern.example", "10.0.0.1", false },
    { { "intern.example" }, "intern.example.", "10.0.0.1", false },
    { { "10.0.0.1" }, "10.0.0.1", "127.0.0.1", false }, -- a name that looks like the address is none
    { { "x", "y", "fd00::/8" }, "a", "fd12::1", true },
    { { "fd00::/8" }, "a", "fe80::1", false },
  } do
    it(("%s %s (%s) where [%s] is listed"):format(case[4] and "allows" or "does not allow", case[2], case[3],
      table.concat(case[1], ", ")), function()
      assert.equal(case[4], allows(case[1], case[2], case[3]))
    end)
  end
end)
