package.path = "runtime/lua/?.lua;" .. package.path

describe("lunastalk.log", function()
  local records, log, json

  before_each(function()
    records = {}
    package.loaded["lunastalk.host"] = {
      lowest = 2,
      log = function(level, message, fields)
        records[#records + 1] = { level, message, fields }
      end,
    }
    package.loaded["lunastalk.log"] = nil
    log, json = require "lunastalk.log", require "lunastalk.json"
  end)

  after_each(function()
    package.loaded["lunastalk.host"], package.loaded["lunastalk.log"] = nil, nil
  end)

  it("has the eight levels", function()
    for _, level in ipairs { "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" } do
      log[level](level)
      log.log(level, level)
    end
    assert.equal(12, #records)
    assert.same({ 2, "notice", {} }, records[1])
    assert.same({ 7, "emergency", {} }, records[12])
  end)

  it("hands over the fields in the order of their keys", function()
    log.error("m {b}", { b = "two", a = 1, [3] = true })
    assert.same({ { 4, "m {b}", { "3", 1, "true", "a", 1, "1", "b", 0, "two" } } }, records)
  end)

  it("writes numbers, booleans and null as JSON, all else as text", function()
    local function shown(value)
      log.error("x", { v = value })
      local fields = records[#records][3]
      return fields[3], fields[2]
    end
    assert.same({ "9007199254740992", 1 }, { shown(2 ^ 53) })
    assert.same({ "0.1", 1 }, { shown(0.1) })
    assert.same({ "false", 1 }, { shown(false) })
    assert.same({ "null", 1 }, { shown(json.null) })
    assert.same({ "nan", 0 }, { (shown(0 / 0)):gsub("-", ""), (select(2, shown(0 / 0))) })
    assert.same({ "inf", 0 }, { shown(1 / 0) })
    assert.same({ "12", 0 }, { shown("12") })
    assert.same({ '{"a":[1]}', 0 }, { shown { a = { 1 } } })
    assert.matches("^function: ", (shown(print)))
    assert.matches("^table: ", (shown { print }))
    assert.matches("cannot be shown", (shown(setmetatable({}, { __tostring = function() error("no") end }))))
  end)

  it("bounds messages, values, keys and their number", function()
    local context = { [("k"):rep(1000)] = ("v"):rep(100000) }
    log.error(("m"):rep(100000), context)
    assert.is_true(#records[1][2] <= 65536 and #records[1][3][1] <= 256 and #records[1][3][3] <= 16384)
    assert.matches("… %(100000 bytes%)$", records[1][2])
    for i = 1, 100 do
      context[i] = i
    end
    log.error("many", context)
    assert.equal(64 * 3, #records[2][3])
  end)

  it("refuses misuse where it stands", function()
    local _, context = pcall(function() log.error("x", 5) end)
    assert.matches("^spec/unit/lua/log_spec.lua:%d+: the context of a log record is a table, not a number$", context)
    local _, level = pcall(function() log.log("loud", "x") end)
    assert.matches("^spec/unit/lua/log_spec.lua:%d+: there is no log level loud$", level)
  end)
end)
