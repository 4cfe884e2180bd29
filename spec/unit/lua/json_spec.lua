package.path = "runtime/lua/?.lua;" .. package.path
local json = require "lunastalk.json"

describe("lunastalk.json", function()
  local function refuses(value, message)
    local fine, why = pcall(json.encode, value)
    assert.is_false(fine)
    assert.matches(message, why, 1, true)
  end

  it("encodes what JSON has", function()
    assert.equal('{"a":[1,true,null,"x"],"b":{}}', json.encode { b = {}, a = { 1, true, json.null, "x" } })
    assert.equal("[]", json.encode(json.empty_array))
    assert.equal("null", json.encode(nil))
  end)

  it("keeps integers exact to 2^53", function()
    for _, text in ipairs { "0", "-1", "123456789012345", "1234567890123456", "9007199254740992",
      "-9007199254740992" } do
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("writes the shortest number that reads back the same", function()
    for _, text in ipairs { "0.1", "-2.5", "1e+300", "5e-324", "0.30000000000000004", "3.141592653589793" } do
      assert.equal(tonumber(text), json.decode(json.encode(tonumber(text))))
    end
    assert.equal("0.1", json.encode(0.1))
    assert.equal("0.30000000000000004", json.encode(0.1 + 0.2))
  end)

  it("reads back every byte that a string can hold", function()
    local bytes = {}
    for byte = 0, 127 do
      bytes[#bytes + 1] = string.char(byte)
    end
    local text = table.concat(bytes) .. "ä€😀"
    assert.equal(text, json.decode(json.encode(text)))
    assert.equal('"http://x/\\"\\\\\\n\\u0000"', json.encode('http://x/"\\\n\0'))
  end)

  it("takes well-formed UTF-8 only", function()
    for _, text in ipairs { "\194\128", "\223\191", "\224\160\128", "\237\159\191", "\240\144\128\128",
      "\244\143\191\191" } do
      assert.equal('"' .. text .. '"', json.encode(text))
    end
    for _, text in ipairs { "\128", "\192\128", "\193\191", "\194", "\224\159\191", "\237\160\128", "\240\143\191\191",
      "\244\144\128\128", "\245\128\128\128", "\255", "a\226\130", "\225\194\128", "\195\164\164" } do
      refuses(text, "UTF-8")
      refuses({ [text] = 1 }, "UTF-8")
    end
  end)

  it("names the line that asked, in what it refuses", function()
    local function ask(value)
      return (json.encode({ value }))
    end
    local fine, why = pcall(ask, print)
    assert.is_false(fine)
    assert.matches("json_spec.lua:%d+: a function cannot be encoded as JSON$", why)
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    debug.sethook(function()
      debug.sethook()
      error("cancelled", 0)
    end, "", 100)
    fine, why = pcall(ask, list)
    debug.sethook()
    assert.same({ false, "cancelled" }, { fine, why })
  end)

  it("refuses what JSON cannot hold", function()
    refuses(0 / 0, "nan")
    refuses(1 / 0, "inf")
    refuses({ { -1 / 0 } }, "-inf")
    refuses(print, "a function")
    refuses(require("ffi").new("int[1]"), "a cdata")
    refuses({ 1, nil, 3 }, "holes")
    refuses({ [2] = 1 }, "holes")
    refuses({ [1.5] = 1 }, "holes")
    refuses({ 1, 2, x = 3 }, "beside names")
    refuses({ [true] = 1 }, "boolean")
  end)

  it("refuses tables deeper than 64 levels, and those in themselves", function()
    local function nested(levels)
      return levels == 0 and 1 or { nested(levels - 1) }
    end
    assert.equal(("["):rep(64) .. "1" .. ("]"):rep(64), json.encode(nested(64)))
    refuses(nested(65), "64 levels")
    local own = {}
    own.own = own
    refuses(own, "in itself")
  end)

  it("says why a text is no JSON", function()
    local value, message = json.decode("{")
    assert.is_nil(value)
    assert.is_string(message)
    assert.is_nil((json.decode("NaN")))
    assert.equal(json.null, json.decode("null"))
  end)
end)
