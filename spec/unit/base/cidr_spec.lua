local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "base/cidr.h"

local function parse(text)
  local cidr = ffi.new "struct cidr"
  return lib.cidr_parse(cidr, text) and cidr
end

describe("base/cidr", function()
  for range, bits in pairs {
    ["1.2.3.4"] = 128, ["10.0.0.0/8"] = 104, ["0.0.0.0/0"] = 96, ["1.2.3.4/32"] = 128, ["::1"] = 128, ["::/0"] = 0,
    ["fd00::/8"] = 8, ["::ffff:1.2.3.4/120"] = 120, ["2001:db8::1/128"] = 128,
  } do
    it("reads " .. range, function()
      assert.equal(bits, assert(parse(range)).bits)
    end)
  end

  for _, text in ipairs {
    "", "/", "/8", "a", "1", "1.2.3", "0x7f.0.0.1", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/ 8", "1.2.3.4/8x",
    "1.2.3.4/0008", "::1/129", "[::1]", "fe80::1%eth0", "1.2.3.4/8/8", ("1"):rep(60),
  } do
    it("refuses '" .. text .. "'", function()
      assert.is_false(parse(text))
    end)
  end

  for _, case in ipairs {
    { "10.0.0.0/8", "10.255.255.255", true }, { "10.0.0.0/8", "11.0.0.0", false }, { "10.9.9.9/8", "10.0.0.1", true },
    { "172.16.0.0/12", "172.31.255.255", true }, { "172.16.0.0/12", "172.32.0.0", false },
    { "1.2.3.4", "1.2.3.4", true }, { "1.2.3.4", "1.2.3.5", false }, { "0.0.0.0/0", "255.255.255.255", true },
    { "0.0.0.0/0", "::1", false }, { "::/0", "1.2.3.4", true }, { "10.0.0.0/8", "::ffff:10.0.0.1", true },
    { "fc00::/7", "fdff::1", true }, { "fc00::/7", "fe00::", false }, { "::1", "::1", true }, { "::1", "::2", false },
  } do
    it(("%s %s %s"):format(case[1], case[3] and "contains" or "does not contain", case[2]), function()
      assert.equal(case[3], lib.cidr_contains(parse(case[1]), parse(case[2]).address))
    end)
  end
end)
