package.path = "runtime/lua/?.lua;" .. package.path
local json = require "lunastalk.json"

describe("lunastalk.queue", function()
  local puts, queue, answer

  before_each(function()
    puts, answer = {}, { "12" }
    package.loaded["lunastalk.host"] = {
      put = function(...)
        puts[#puts + 1] = { ... }
        return unpack(answer, 1, 3)
      end,
    }
    package.loaded["lunastalk.queue"] = nil
    queue = require "lunastalk.queue"
  end)

  after_each(function()
    package.loaded["lunastalk.host"], package.loaded["lunastalk.queue"] = nil, nil
  end)

  it("puts with defaults", function()
    assert.equal("12", queue.put { job = "email.welcome" })
    assert.same({ { "default", 1024, 0, 60, '{"job":"email.welcome"}' } }, puts)
  end)

  it("puts what it is told", function()
    queue.put { job = "x", data = { n = 2 ^ 53 }, tube = "a-b", priority = 0, delay = 5, ttr = 1, id = "A.1:_-",
      retry = { max = 3, delay = 10 }, timeout = 2, success = { callback = { "http://a", "https://b" } },
      error = { bury = false, callback = "https://c" } }
    assert.same({ "a-b", 0, 5, 1 }, { unpack(puts[1], 1, 4) })
    assert.same({ job = "x", data = { n = 2 ^ 53 }, id = "A.1:_-", retry = { max = 3, delay = 10 }, timeout = 2,
      success = { callback = { "http://a", "https://b" } }, error = { bury = false, callback = "https://c" } },
      json.decode(puts[1][5]))
    assert.matches('"n":9007199254740992', puts[1][5], 1, true)
  end)

  it("returns what the queue says", function()
    answer = { nil, "the server is draining", "DRAINING" }
    assert.same({ n = 3, nil, "the server is draining", "DRAINING" },
      (function(...) return { n = select("#", ...), ... } end)(queue.put { job = "x" }))
    local id, message, code = queue.put { job = "x", data = ("x"):rep(33 * 1024 * 1024) }
    assert.is_nil(id)
    assert.matches("too big", message, 1, true)
    assert.equal("JOB_TOO_BIG", code)
  end)

  it("refuses misuse, naming the option", function()
    local eleven = {}
    for i = 1, 11 do
      eleven[i] = "http://a"
    end
    local wrong = {
      job = { "", "../x", "_x", "a._b", "a..b", ".a", "a.", "A", "a b", "lib.x", ("a"):rep(129), "a\0", 5, {} },
      tube = { "", "-a", "a b", "ä", ("a"):rep(201), 1 },
      priority = { -1, 2 ^ 32, 0.5, "1", 0 / 0 },
      delay = { -1, 2 ^ 32, 0.5 },
      ttr = { 0, 2 ^ 32, 1.5 },
      id = { "", "a b", ("a"):rep(129), 5 },
      timeout = { -1, "5", 0, 0.5, 2 ^ 31 },
      retry = { 5, { max = 1001 }, { max = 1.5 }, { delay = 86401 }, { delay = 1.5 }, { tries = 1 } },
      success = { "http://x", { callback = "ftp://x" }, { callback = { "http://x", 5 } },
        { callback = { a = "http://x" } }, { callback = "http://x y" }, { bury = true } },
      error = { { bury = 1 }, { callback = 5 }, { callback = eleven } },
      data = { print, { 1, nil, 3 }, "\255", 0 / 0 },
      dta = { {} },
    }
    for option, values in pairs(wrong) do
      for _, value in pairs(values) do
        local options = { job = "x" }
        options[option] = value
        local fine, message = pcall(function() return (queue.put(options)) end)
        assert.is_false(fine, option)
        assert.matches("^spec/unit/lua/queue_spec.lua:%d+: queue.put", message)
        assert.matches(option == "data" and "JSON" or option, message, 1, true)
      end
    end
    assert.is_false(pcall(queue.put))
    assert.is_false(pcall(queue.put, {}))
    assert.same({}, puts)
  end)
end)
