package.path = "runtime/lua/?.lua;" .. package.path
local json = require "lunastalk.json"
local numbers = require "lunastalk.numbers"

-- Where such a number is in an envelope with this data.
local function place(data)
  local body = '{"job":"x","data":' .. data .. "}"
  local envelope = assert(json.decode(body))
  return (numbers.inexact(body, envelope.data))
end

describe("lunastalk.numbers", function()
  it("finds integers above 2^53, wherever they stand", function()
    for filled = 0, 40 do
      local before = '{"a":"' .. ("-"):rep(filled) .. '","n":'
      for _, digits in ipairs { "9007199254740993", "-9007199254740993", "9007199254740992123", "10000000000000000" } do
        for _, after in ipairs { "}", " }", ',"b":1}', "\n}" } do
          assert.equal("data.n", place(before .. digits .. after), before .. digits)
        end
      end
    end
  end)

  it("takes all others as they are", function()
    for _, data in ipairs {
      "9007199254740992", "-9007199254740992", "[1720000000000000,999999999999999]", "1234567890.1234567890",
      "0.12345678901234567890", "1e300", "12345678901234567.0", "12345678901234567e2", "1e-12345678901234567",
      '"12345678901234567890"', '" 12345678901234567890 "', '"[12345678901234567,12345678901234567]"', "{}", "[]",
      '{"12345678901234567":1}', ("[%s]"):format(("1234567890123456,"):rep(1000) .. "1"),
    } do
      assert.is_falsy(place(data))
    end
  end)

  it("names the place", function()
    assert.equal("data", place "12345678901234567")
    assert.equal("data[2]", place "[1,12345678901234567]")
    assert.equal("data.orders[3].id", place '{"orders":[{},{"id":"12345678901234567"},{"id":12345678901234567}]}')
    assert.equal("data.b", place '{"a":" 12345678901234568 ","b":12345678901234567}')
  end)

  it("looks at the data only", function()
    local body = '{"job":"x","trace":12345678901234567,"data":{"n":1}}'
    assert.is_falsy(numbers.inexact(body, json.decode(body).data))
  end)
end)
