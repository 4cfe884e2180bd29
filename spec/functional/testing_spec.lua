--- lunastalk.testing, as users have it: specs of a project, run by `lunastalk test`.
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local JOBS = {
  ["trivial.lua"] = "return function() end",
  ["greet.lua"] = [[
    local log = require "lunastalk.log"
    return { retry = { max = 2, delay = 30 }, process = function(job)
      if not job.data.name then return false, "nobody" end
      log.info("hello, {name}", { name = job.data.name, list = { 1, 2 }, n = 3 })
      job:progress(0.5)
      job:touch()
      return true
    end }]],
  ["raises.lua"] = [[
    local function deep() error "no ink" end
    return function() deep() return true end]],
  ["ends.lua"] = [[return function(job)
    if job.data.release then job:release { delay = job.data.release } end
    job:bury(job.data.bury)
  end]],
  ["tells.lua"] = [[return function(job)
    local file = io.open(job:tempdir() .. "/x", "w")
    require("lunastalk.log").notice("told", { tube = job.tube, attempt = job.attempt, id = job.id, name = job.name,
      kind = job.envelope.kind, list = #job.data.list, huge = job.data.huge, file = file ~= nil, dir = job:tempdir() })
    file:close()
  end]],
  ["parent.lua"] = [[
    local queue = require "lunastalk.queue"
    return function(job)
      for n = 1, job.data.children do
        local id, message, code = queue.put { job = "child", data = { n = n, left = 1 }, tube = "mail", delay = 5 }
        if not id then return false, code .. ": " .. message end
      end
    end]],
  ["child.lua"] = [[
    local queue = require "lunastalk.queue"
    return function(job)
      if job.data.left > 0 then queue.put { job = "child", data = { n = job.data.n, left = job.data.left - 1 } } end
    end]],
  ["family.lua"] = [[return function(job)
    local list = {}
    for n = 1, job.data.children do list[n] = { job = "child", data = { n = n, left = 0 }, tube = "mail" } end
    if job.data.big then list[2].data.text = ("x"):rep(70000) end
    local ids, _, code, put, count = require("lunastalk.queue").put_many(list)
    return (ids and #ids or code .. " " .. put[1] .. " " .. count) == job.data.expected
  end]],
  ["endless.lua"] = [[return function() require("lunastalk.queue").put { job = "endless" } end]],
  ["big.lua"] = [[return function()
    local id, _, code = require("lunastalk.queue").put { job = "child", data = ("x"):rep(70000) }
    return not id, code
  end]],
  ["once.lua"] = [[return function(job)
    if not job:once "order" then return true end
    require("lunastalk.log").notice "paid"
    return not job.data.fails
  end]],
  ["clock.lua"] = [[return function()
    require("lunastalk.log").notice(os.date("!%Y-%m-%d", os.time()) .. os.date "! %H:%M")
  end]],
  ["yields.lua"] = "return function() coroutine.yield() end",
  ["generates.lua"] = [[return function()
    local each = coroutine.wrap(function() for n = 1, 3 do coroutine.yield(n) end end)
    return each() + each() == 3
  end]],
  ["dirties.lua"] = [[
    local seen = 0
    return function(job)
      seen = seen + 1
      assert(seen == 1 and not package.loaded.dirt and ("x").rep and print ~= error, "dirty")
      assert(require("money") == require("money") and require("money").count == nil, "old lib")
      require("money").count = 1
      local socket = require "socket"
      package.loaded.dirt, package.loaded.socket, package.loaded["lunastalk.log"] = true, {}, {}
      rawset(_G, "leaked", 1)
      rawset(_G, "print", error)
      string.rep, os.time = nil, nil
      debug.setmetatable("", nil)
      debug.sethook(function() seen = seen + 1 end, "l")
      return socket ~= nil
    end]],
  ["exits.lua"] = "return function(job) pcall(os.exit, job.data.code) end",
  ["global.lua"] = "return function() count = 1 end",
  ["needs.lua"] = "return function() return require('stripe').charge() end",
  ["lib/money.lua"] = "return {}",
  ["lib/shop.lua"] = [[
    local connection = require "lunastalk.connection"
    connection.define("shop", { open = function() return { ask = function() return "real" end } end })
    return function() return connection.get "shop" end]],
  ["shops.lua"] = [[
    local shop = require "shop"
    return function(job)
      pcall(shop)
      require("lunastalk.log").notice(shop().ask(job.data))
    end]],
  ["_bootstrap.lua"] = "assert(not package.loaded.booted) package.loaded.booted = { yes = true }",
  ["_middleware.lua"] = [[return function(job, next)
    require("lunastalk.log").debug("around {name}", { name = job.name })
    return next()
  end]],
}

local SPEC = [[
local json = require "lunastalk.json"
local testing = require "lunastalk.testing"

local function refuses(message, ...)
  local fine, why = pcall(testing.perform, ...)
  assert.is_false(fine)
  assert.matches(message, why, 1, true)
end

describe("perform", function()
  it("tells how the job ended and what it did", function()
    local result = testing.perform("greet", { name = "Ada" })
    assert.same({ "succeeded", "delete", 0, 1, 1 },
      { result.outcome, result.verb, result.after, result.touches, result.attempt })
    assert.same({ 0.5 }, result.progress)
    assert.same({ level = "info", template = "hello, {name}", message = "hello, Ada",
      context = { name = "Ada", list = json.decode "[1,2]", n = 3 } }, result.logs[2])
    assert.is_true(result.runtime >= 0 and result.runtime < 5)
    assert.succeeded(result)
    assert.logged("info", "hello, %a+")
    assert.not_logged("warning")
    assert.not_failed()
  end)

  it("tells of failures with the handler's file and line", function()
    local result = testing.perform("raises", nil, { attempt = 2 })
    assert.equal("jobs/raises.lua:1: no ink", result.reason)
    assert.matches("in function 'deep'", result.traceback, 1, true)
    assert.failed "no ink"
    assert.failed(result, "raises.lua:%d")
    assert.buried()
    assert.not_retried()
    testing.perform("greet", {}, { attempt = 2 })
    assert.failed "nobody"
    assert.retried(60)
    assert.not_buried()
    testing.perform("greet", {}, { attempt = 3 })
    assert.buried "nobody"
    assert.equal("delete", testing.perform("raises", {}, { attempt = 2, envelope = { error = { bury = false } } }).verb)
    assert.equal("retry", testing.perform("raises", {}, { envelope = { retry = { max = 1, delay = 7 } } }).verb)
    assert.retried(7)
  end)

  it("knows release and bury", function()
    testing.perform("ends", { release = 20 })
    assert.released(20)
    assert.not_succeeded()
    testing.perform("ends", { bury = "enough" })
    assert.buried "enough"
    assert.not_failed()
  end)

  it("gives the job what the options say, and its data by way of JSON", function()
    testing.perform("tells", { list = json.empty_array, huge = 2 ^ 53 },
      { tube = "mail", attempt = 4, id = "77", envelope = { kind = "mine" } })
    local told = testing.logs()[2].context
    assert.matches("job%-", told.dir)
    assert.is_nil(io.open(told.dir))
    told.dir = nil
    assert.same({ tube = "mail", attempt = 4, id = "77", name = "tells", kind = "mine", list = 0, huge = 2 ^ 53,
      file = true }, told)
  end)

  it("removes the temporary files of jobs, and leaves those of the spec", function()
    local mine = os.getenv "TMPDIR" .. "/mine"
    io.open(mine, "w"):close()
    testing.perform("tells", { list = json.empty_array })
    local dir = testing.logs()[2].context.dir
    assert.is_nil(io.open(dir))
    io.open(mine):close()
    assert.equal(os.getenv "TMPDIR", mine:match "(.*)/")
  end)

  it("notes puts, which drain runs with all that follows", function()
    local result = testing.perform("parent", { children = 2 })
    assert.equal(2, #result.puts)
    assert.put { job = "child", tube = "mail", delay = 5, data = { n = 2 } }
    assert.put "child"
    assert.not_put { job = "child", data = { n = 3 } }
    assert.not_put "greet"
    local results = testing.drain()
    assert.equal(4, #results)
    for _, each in ipairs(results) do assert.succeeded(each) end
    assert.same({}, testing.drain())
    assert.equal(4, #testing.puts())
    testing.perform("parent", { children = 1 })
    require("lunastalk.queue").put { job = "nope" }
    assert.has_error(testing.drain)
    assert.equal(1, #testing.drain()) -- the child's own; the one before has run
    testing.perform "endless"
    assert.has_error(testing.drain, "testing.drain: more than 10000 jobs: endless puts without an end")
  end)

  it("has nothing of the tests before", function()
    assert.same({}, testing.puts())
    assert.same({}, testing.logs())
    assert.has_error(function() assert.succeeded() end, "assert.succeeded: no job was performed in this test")
  end)

  it("notes what put_many puts", function()
    local result = testing.perform("family", { children = 250, expected = 250 })
    assert.succeeded()
    assert.equal(250, #result.puts)
    assert.put { job = "child", tube = "mail", data = { n = 250 } }
    assert.equal(250, #testing.drain())
    result = testing.perform("family", { children = 3, big = true, expected = "JOB_TOO_BIG 251 2" })
    assert.succeeded()
    assert.equal(2, #result.puts)
  end)

  it("refuses a put that is too big, as beanstalkd does", function()
    local result = testing.perform "big"
    assert.same({ "succeeded", 0 }, { result.outcome, #result.puts })
  end)

  it("has once be true once, and again when the job failed", function()
    testing.perform("once", { fails = true })
    testing.perform "once"
    testing.perform "once"
    local paid = 0
    for _, record in ipairs(testing.logs()) do
      paid = paid + (record.message == "paid" and 1 or 0)
    end
    assert.equal(2, paid)
  end)

  it("lets time be another", function()
    testing.at(86400 * 365 + 3600)
    testing.perform "clock"
    assert.logged("notice", "1971-01-01 01:00")
    testing.at()
    testing.perform "clock"
    assert.logged("notice", os.date "!%Y-%m-%d")
  end)

  it("is clean after whatever a handler did", function()
    local print_before, log = print, package.loaded["lunastalk.log"]
    for _ = 1, 3 do
      testing.perform "dirties"
      assert.succeeded()
    end
    assert.equal(print_before, print)
    assert.equal(log, package.loaded["lunastalk.log"])
    assert.same({}, { rawget(_G, "leaked"), package.loaded.dirt, package.loaded.money, package.loaded.booted })
    assert.is_nil((debug.gethook()))
    assert.equal("xx", ("x"):rep(2))
    assert.is_function(require("socket").gettime)
  end)

  it("fails what fails in the executor", function()
    testing.perform "yields"
    assert.failed "attempt to yield across C-call boundary"
    coroutine.wrap(function() testing.perform "yields" end)()
    assert.failed "attempt to yield across C-call boundary"
    testing.perform "generates"
    assert.succeeded()
    for code, given in pairs { [0] = json.null, [3] = 3, [1] = false } do
      testing.perform("exits", { code = given })
      assert.failed("the executor exited with code " .. code)
    end
    testing.perform "global"
    assert.failed "jobs/global.lua:1: assignment to the global variable count: declare it local"
  end)

  it("takes what the spec has put in the place of a library", function()
    package.loaded.stripe = { charge = function() return false, "declined" end }
    testing.perform "needs"
    package.loaded.stripe = nil
    assert.failed "declined"
    testing.perform "needs"
    assert.failed "module 'stripe' not found"
  end)

  it("has the connections that the spec gives", function()
    testing.perform "shops"
    assert.failed 'the spec does not say what shop is: testing.connection("shop", fake)'
    for _ = 1, 2 do
      testing.connection("shop", { ask = function(data) return "fake " .. data.n end })
      testing.perform("shops", { n = 7 })
      assert.logged("notice", "fake 7")
    end
    assert.is_function(require "shop") -- what the spec has loaded no job loads again
    for _ = 1, 2 do
      testing.perform("shops", { n = 7 })
      assert.succeeded()
    end
    testing.connection("shop", testing.away)
    testing.perform "shops"
    assert.released(1)
    assert.not_failed()
    testing.connection "shop"
    testing.perform "shops"
    assert.logged("notice", "real")
  end)

  it("has a library of jobs/lib for specs too", function()
    assert.same({}, require "money")
  end)

  it("refuses what is no test", function()
    refuses("there is no handler gret in jobs/ (did you mean greet?); there are big, child, clock, ", "gret")
    refuses("there is no handler zzzzzzzz in jobs/; there are big, child, clock, ", "zzzzzzzz")
    refuses("there is no handler ../jobs/greet in jobs/", "../jobs/greet")
    refuses("there is no handler lib.money in jobs/", "lib.money")
    refuses("there is no handler nil in jobs/")
    refuses("testing.perform: the data of greet: a table with a key of type number", "greet", { 1, a = 2 })
    refuses("testing.perform: the data of greet: the number nan", "greet", { 0 / 0 })
    refuses("testing.perform: there is no option atempt", "greet", {}, { atempt = 2 })
    for _, attempt in ipairs { 0, -1, 1.5, "2" } do
      refuses("testing.perform: attempt must be a whole number from 1 to 1001", "greet", {}, { attempt = attempt })
    end
    refuses("testing.perform: its options are a table, not 5", "greet", {}, 5)
    refuses("testing.perform: envelope must be a table, not 5", "greet", {}, { envelope = 5 })
    for message, envelope in pairs {
      ["retry.max must be a whole number from 0 to 1000, not -5"] = { retry = { max = -5 } },
      ["retry must be a table, not 5"] = { retry = 5 },
      ["id must be 1 to 128 letters"] = { id = "a b" },
      ["success.callback must be an http://"] = { success = { callback = "ftp://x" } },
    } do
      refuses("x_spec.lua:5: testing.perform: envelope." .. message, "greet", {}, { envelope = envelope })
    end
    testing.perform("greet", { name = "Ada" }, { envelope = { id = json.null, retry = {}, mine = 7 } })
    assert.succeeded()
    for message, call in pairs {
      ["there is no log level warn"] = function() assert.not_logged "warn" end,
      ["assert.put: no put has jb"] = function() assert.not_put { jb = 1 } end,
      ["assert.put takes the name of a handler"] = function() assert.not_put(5) end,
      ["the text to match is a string, not 5"] = function() testing.perform "raises" assert.failed(5) end,
      ["testing.after: attempt must be a whole number"] = function() testing.after("failed", { attempt = -3 }) end,
      ["testing.at: the time is a number"] = function() testing.at "x" end,
    } do
      local fine, why = pcall(call)
      assert.is_false(fine)
      assert.matches(message, tostring(why), 1, true)
    end
  end)

  it("takes a handler that was written since, and one that does not load for an error", function()
    local function write(text)
      local file = assert(io.open("jobs/later.lua", "w"))
      file:write(text)
      file:close()
    end
    write "return function("
    refuses("jobs/later.lua:1: ", "later")
    write "return 7"
    refuses("jobs/later.lua: a handler file returns a function", "later")
    write "return function() end"
    testing.perform "later"
    assert.succeeded()
    os.remove "jobs/later.lua"
  end)
end)

describe("after", function()
  it("is the worker's policy", function()
    local retry = { max = 5, delay = 10 }
    for attempt, seconds in ipairs { 10, 20, 40, 80, 160 } do
      assert.same({ "retry", seconds }, { testing.after("failed", { attempt = attempt, retry = retry }) })
    end
    assert.same({ "bury", 0 }, { testing.after("failed", { attempt = 6, retry = retry }) })
    assert.same({ "delete", 0 }, { testing.after("failed", { attempt = 2, bury = false }) })
    assert.same({ "retry", 3600 }, { testing.after("failed", { attempt = 500, retry = { max = 1000, delay = 9 } }) })
    assert.same({ "retry", 1 }, { testing.after("failed", { retry = { max = 1, delay = 0 } }) })
    assert.same({ "delete", 0 }, { testing.after "succeeded" })
    assert.same({ "release", 5 }, { testing.after("released", { delay = 5 }) })
    assert.same({ "release", 1 }, { testing.after "unavailable" })
    assert.same({ "bury", 0 }, { testing.after("buried", { retry = retry }) })
    assert.same({ "retry", 3 }, { testing.after("failed") }) -- jobs.retry of config.yml
    assert.has_error(function() testing.after "done" end, "testing.after: there is no outcome done")
  end)
end)
]]

local FAILING = [[
local testing = require "lunastalk.testing"
describe("a failing", function()
  it("end", function() testing.perform("raises") assert.succeeded() end)
  it("reason", function() testing.perform("greet", {}) assert.failed "somebody" end)
  it("put", function() testing.perform("parent", { children = 1 }) assert.put { job = "child", data = { n = 9 } } end)
  it("not", function() testing.perform("parent", { children = 1 }) assert.not_put "child" end)
  it("log", function() testing.perform("greet", { name = "Ada" }) assert.logged("error", "bye") end)
end)
]]

-- A project with that spec; returns exit code and output of `lunastalk test`.
local function test(spec)
  local dir = worker.project { config = { jobs = { retry = { max = 1, delay = 3 } } }, files = {} }
  for name, text in pairs(JOBS) do
    temp.write(dir .. "/jobs/" .. name, text)
  end
  temp.write(dir .. "/spec/x_spec.lua", spec)
  local code, output, errors = worker.lunastalk("test", "-o", "plainTerminal", { cwd = dir })
  return code, output .. errors
end

describe("lunastalk.testing", function()
  it("does what its documentation says", function()
    local code, output = test(SPEC)
    assert.equal(0, code, output)
    assert.matches("19 successes / 0 failures / 0 errors / 0 pending", output)
  end)

  it("shows what happened instead", function()
    local code, output = test(FAILING)
    assert.equal(1, code)
    for _, text in ipairs {
      "x_spec.lua:3: expected that the job succeeds, but raises failed: jobs/raises.lua:1: no ink",
      "in function 'deep'", "it runs again in 3 s; what was logged:\n  debug: around raises\nnothing was put",
      "expected that the job fails (somebody), but greet failed: nobody\nit runs again in 30 s",
      'expected that a job is put with {"data":{"n":9},"job":"child"}, but what was put:\n'
        .. '  child into mail, priority 1024, delay 5, ttr 60: {"left":1,"n":1}',
      'expected that no job is put with {"job":"child"}, but what was put:',
      'expected a log record of level error that matches "bye", but what was logged:\n  debug: around greet\n'
        .. "  info: hello, Ada",
    } do
      assert.truthy(output:find(text, 1, true), text .. "\n----\n" .. output)
    end
  end)
end)

describe("lunastalk test", function()
  it("is done with a new handler within a second", function()
    local dir, start = temp.dir(), wait.now()
    assert.equal(0, (worker.lunastalk("new", "x", { cwd = dir })))
    assert.equal(0, (worker.lunastalk("test", { cwd = dir })))
    local spent = wait.now() - start
    assert.is_true(spent < 1, spent)
  end)

  it("performs a thousand jobs in a fifth of a second", function()
    local dir = temp.dir()
    temp.write(dir .. "/jobs/trivial.lua", "return function() end")
    temp.write(dir .. "/spec/trivial_spec.lua", [[
      local testing = require "lunastalk.testing"
      it("is quick", function()
        local best, tries = 1 / 0, 0
        repeat -- what is slow is so each time; a machine that does much else meanwhile is not meant
          local start = os.clock()
          for _ = 1, 1000 do testing.perform "trivial" end
          best, tries = math.min(best, os.clock() - start), tries + 1
        until best < 0.2 or tries == 5
        assert.is_true(best < 0.2, best)
      end)]])
    local code, output, errors = worker.lunastalk("test", { cwd = dir })
    assert.equal(0, code, output .. errors)
  end)
end)
