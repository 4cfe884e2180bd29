-- Tests with a fake in package.loaded for the library that would call the provider, and the job run twice.
local json = require "lunastalk.json"
local settings = require "lunastalk.settings"
local testing = require "lunastalk.testing"

describe("jobs/refund.lua", function()
  local requests, answer

  before_each(function()
    settings.payments = { url = "https://pay.example/v1", key = "secret" }
    requests, answer = {}, { status = 201, headers = {}, body = '{"id": "re_1"}' }
    package.loaded.web = {
      request = function(request)
        table.insert(requests, request)
        return answer, not answer and "pay.example: timeout" or nil
      end,
    }
  end)

  after_each(function()
    package.loaded.web = nil
  end)

  it("asks the provider", function()
    testing.perform("refund", { order = 7, cents = 1999 })
    assert.succeeded()
    assert.logged("info", "order 7: 1999 cents given back: re_1")
    assert.equal(1, #requests)
    assert.equal("POST https://pay.example/v1/refunds", requests[1].method .. " " .. requests[1].url)
    assert.equal("Bearer secret", requests[1].headers.authorization)
    assert.equal("refund-7", requests[1].headers["idempotency-key"])
    assert.same({ order = "7", cents = 1999 }, json.decode(requests[1].body))
  end)

  it("does nothing in a second run, nor for a second job", function()
    testing.perform("refund", { order = 7, cents = 1999 }, { id = "1" })
    testing.perform("refund", { order = 7, cents = 1999 }, { id = "1" })
    testing.perform("refund", { order = "7", cents = 1 }, { id = "2" })
    assert.succeeded()
    assert.logged("notice", "order 7 was refunded before")
    assert.equal(1, #requests)
    testing.perform("refund", { order = 8, cents = 1 })
    assert.equal(2, #requests)
  end)

  it("is buried when it fails, and refunds when somebody kicks it", function()
    for reason, refusal in pairs {
      ["order 7: the provider says 402: no money"] = { status = 402, headers = {}, body = "no money" },
      ["order 7: pay.example: timeout"] = false,
    } do
      answer = refusal
      testing.perform("refund", { order = 7, cents = 1999 })
      assert.failed(reason)
      assert.buried()
    end
    answer = { status = 200, headers = {}, body = "refunded" }
    testing.perform("refund", { order = 7, cents = 1999 })
    assert.succeeded()
    assert.equal(3, #requests)
  end)

  it("says what is wrong, and asks nobody", function()
    for reason, data in pairs {
      ["data.order: "] = { cents = 1, order = "7\n8" },
      ["data.order: n"] = { cents = 1, order = { 7 } },
      ["data.cents: "] = { cents = 19.99, order = 7 },
      ["data.cents: n"] = { cents = "1", order = 7 },
      ["data.cents: not"] = { cents = -5, order = 7 },
    } do
      testing.perform("refund", data)
      assert.failed(reason)
    end
    settings.payments = nil
    testing.perform("refund", { order = 7, cents = 1 })
    assert.failed "settings: "
    assert.equal(0, #requests)
  end)
end)
