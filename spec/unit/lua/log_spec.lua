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

  it("says so when it has no such function", function()
    for _, logger in ipairs { log, log.with { a = 1 } } do
      local fine, why = pcall(function()
        logger.warn "x"
      end)
      assert.is_false(fine)
      assert.matches("log_spec.lua:%d+: there is no log.warn: there are debug, info, notice, warning, ", why)
      assert.same({}, { logger.__index, logger[1] })
    end
  end)

  it("hands over the fields in the order of their keys", function()
    log.error("m {b}", { b = "two", a = 1, [3] = true })
    assert.same({ { 4, "m {b}", { "3", 1, "true", "a", 1, "1", "b", 0, "two" } } }, records)
  end)

  it("writes numbers, booleans, null and tables as JSON, all else as text", function()
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
    assert.same({ '{"a":[1]}', 1 }, { shown { a = { 1 } } })
    assert.matches("^function: ", (shown(print)))
    assert.matches('^%["function: [^"]*"%]$', (shown { print }))
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

  it("shows tables whatever is in them", function()
    local function shown(value)
      log.error("x", { v = value })
      return records[#records][3][3]
    end
    local cycle = { name = "a" }
    cycle.me = { cycle }
    assert.equal('{"me":["(a table in itself)"],"name":"a"}', shown(cycle))
    local twice = { 1 }
    assert.equal("[[1],[1]]", shown { twice, twice })
    local deep = {}
    for _ = 1, 100 do
      deep = { deep }
    end
    assert.equal('[[[[[[[["(a table, deeper)"]]]]]]]]', shown(deep))
    assert.equal('{"1":true,"a":"nan","x":null}', (shown { true, a = 0 / 0, x = json.null }:gsub("-nan", "nan")))
    assert.equal("[]", shown(json.empty_array))
    assert.equal("{}", shown {})
    assert.matches('^{"c":"cdata<int>: 0x%x+","f":"function: builtin#%d+"}$',
      shown { c = require("ffi").new "int", f = print })
    assert.equal('["(3 bytes that are not UTF-8)","é"]', shown { "\255ab", "é" })
    assert.equal('{"p":"a point"}', shown { p = setmetatable({}, { __tostring = function() return "a point" end }) })
    assert.matches('^%["y+… %(9000 bytes%)"%]$', shown { ("y"):rep(9000) })
    local many = {}
    for i = 1, 1e6 do
      many[i] = 1
    end
    assert.matches('1,"… %(999000 more%)"%]$', shown(many))
    many = {}
    for i = 1, 100 do
      many[i] = ("z"):rep(1000)
    end
    local text = shown(many)
    assert.is_true(#text <= 16384)
    assert.matches("… %(%d+ bytes%)$", text)
    local guarded = setmetatable({ 7 }, { __index = error, __metatable = "no", __pairs = error, __len = error })
    assert.equal("[7]", shown(guarded))
  end)

  it("adds the context of with(), which what stands with a record counts before", function()
    local order = log.with { order = 7, a = 1 }
    local both = order.with { b = 2, a = 3 }
    both.error("m", { b = 4 })
    order.log("error", "m")
    log.error "m"
    assert.same({ "a", 1, "3", "b", 1, "4", "order", 1, "7" }, records[1][3])
    assert.same({ "a", 1, "1", "order", 1, "7" }, records[2][3])
    assert.same({}, records[3][3])
    order.info "below the level"
    assert.equal(3, #records)
  end)

  it("refuses misuse where it stands", function()
    local _, with = pcall(function() log.with "x" end)
    assert.matches("^spec/unit/lua/log_spec.lua:%d+: the context of a log record is a table, not a string$", with)
    local _, context = pcall(function() log.error("x", 5) end)
    assert.matches("^spec/unit/lua/log_spec.lua:%d+: the context of a log record is a table, not a number$", context)
    local _, level = pcall(function() log.log("loud", "x") end)
    assert.matches("^spec/unit/lua/log_spec.lua:%d+: there is no log level loud$", level)
  end)
end)
