local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "base/error.h"
header "transfer/signature.h"

local function read(secret)
  local key, why = ffi.new "struct signature_key", ffi.new "struct error"
  if lib.signature_key_read(key, secret, why) < 0 then
    return nil, ffi.string(why.text)
  end
  return key
end

local function bytes(secret)
  local key, why = read(secret)
  return key and ffi.string(key.bytes, key.size), why
end

local function sign(secret, id, timestamp, body)
  local signature = ffi.new "char[64]"
  lib.signature_make(signature, assert(read(secret)), id, timestamp, body, #body)
  return ffi.string(signature)
end

describe("transfer/signature", function()
  it("makes the one that the libraries of Standard Webhooks test", function()
    assert.equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'))
  end)

  it("signs an empty body and binary ones", function()
    assert.equal(46 + 1, #sign("s", "a", 1, ""))
    assert.are_not.equal(sign("s", "a", 1, "\0a"), sign("s", "a", 1, "\0b"))
  end)

  for secret, expected in pairs {
    ["whsec_AA=="] = "\0", ["whsec_AA"] = "\0", ["whsec_AAE="] = "\0\1", ["whsec_AAE"] = "\0\1",
    ["whsec_AAEC"] = "\0\1\2",
    ["whsec_/+8AAQI="] = "\255\239\0\1\2", ["whsec"] = "whsec", ["AAEC"] = "AAEC", [("x"):rep(256)] = ("x"):rep(256),
    ["whsec_" .. ("AAAA"):rep(64)] = ("\0"):rep(192),
  } do
    it("reads " .. secret:sub(1, 20), function()
      assert.equal(expected, (bytes(secret)))
    end)
  end

  for _, secret in ipairs {
    "whsec_", "whsec_A", "whsec_A=", "whsec_AA=", "whsec_AAA==", "whsec_AAEC=", "whsec_====", "whsec_=", "whsec_AA*C",
    "whsec_AA==AA==", "whsec_ AAE", "whsec_" .. ("A"):rep(257),
  } do
    it("refuses " .. secret:sub(1, 20), function()
      assert.same({ nil, "no base64 behind whsec_" }, { bytes(secret) })
    end)
  end

  it("refuses none and too long ones", function()
    assert.same({ nil, "not of 1 to 256 bytes" }, { bytes "" })
    assert.same({ nil, "not of 1 to 256 bytes" }, { bytes(("x"):rep(257)) })
  end)
end)
