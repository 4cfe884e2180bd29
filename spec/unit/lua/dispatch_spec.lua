package.path = "runtime/lua/?.lua;" .. package.path
local dispatch = require "lunastalk.dispatch"
local json = require "lunastalk.json"

local SUCCEEDED, FAILED, RELEASED, BURIED = 0, 1, 2, 3

describe("lunastalk.dispatch", function()
  local asked, touched, made, warnings, answer, handlers, call, now, sent, keys, first

  before_each(function()
    asked, touched, made, warnings, answer, handlers = 0, 0, { "/tmp/x/1" }, {}, { "mails", 3 }, {}
    now, sent, keys, first = 1000, {}, {}, { true }
    local run = dispatch.new(handlers, {
      stats = function()
        asked = asked + 1
        return unpack(answer)
      end,
      touch = function()
        touched = touched + 1
      end,
      tempdir = function()
        asked = asked + 1
        return unpack(made)
      end,
      clock = function()
        return now
      end,
      progress = function(value)
        sent[#sent + 1] = value
      end,
      once = function(key, ttl)
        keys[#keys + 1] = { key, ttl }
        return unpack(first)
      end,
    }, function(message, context)
      warnings[#warnings + 1] = { message = message, context = context }
    end, nil, "spec/unit/lua")
    function call(handler, body, tube)
      handlers.x = handler
      return run("127.0.0.1:11300", "7", "x", tube or "", body or '{"job":"x"}')
    end
  end)

  local function outcome(kind, reason, handler, ...)
    local got, delay, why, trace = call(handler, ...)
    assert.equal(kind, got)
    if reason then
      assert.matches(reason, why, 1, true)
    end
    return delay, why, trace
  end

  it("gives the handler its job", function()
    outcome(SUCCEEDED, nil, function(job)
      assert.same({ "7", "x", "127.0.0.1:11300" }, { job.id, job.name, job.server })
      assert.same({ to = "you" }, job.data)
      assert.equal("mine", job.envelope.id)
    end, '{"job":"x","id":"mine","data":{"to":"you"}}')
  end)

  it("reads absent data and null as an empty table", function()
    for _, body in ipairs { '{"job":"x"}', '{"job":"x","data":null}' } do
      outcome(SUCCEEDED, nil, function(job) assert.same({}, job.data) end, body)
    end
    outcome(SUCCEEDED, nil, function(job) assert.is_false(job.data) end, '{"job":"x","data":false}')
  end)

  it("takes nothing, nil and true for success", function()
    outcome(SUCCEEDED, nil, function() end)
    outcome(SUCCEEDED, nil, function() return nil end)
    outcome(SUCCEEDED, nil, function() return true end)
    outcome(SUCCEEDED, nil, function() return true, "note" end)
  end)

  it("takes false, and a reason, for failure", function()
    outcome(FAILED, "returned false", function() return false end)
    outcome(FAILED, "no such file", function() return nil, "no such file" end)
    outcome(FAILED, "no such file", function() return false, "no such file" end)
    outcome(FAILED, '{"code":5}', function() return false, { code = 5 } end)
    outcome(FAILED, "false", function() return nil, false end)
  end)

  it("takes anything else for success and warns once", function()
    local function odd() return { rows = 3 } end
    outcome(SUCCEEDED, nil, odd)
    outcome(SUCCEEDED, nil, odd)
    assert.equal(1, #warnings)
    assert.equal('{"rows":3}', warnings[1].context.returned)
    outcome(SUCCEEDED, nil, function() return require("ffi").new("struct { int x; }") end)
  end)

  it("shows a text that was returned as one", function()
    outcome(SUCCEEDED, nil, function() return "false" end)
    assert.equal('"false"', warnings[1].context.returned)
  end)

  it("warns once of integers that are not exact", function()
    local body = '{"job":"x","data":{"order":{"id":9007199254740993}}}'
    outcome(SUCCEEDED, nil, function() assert.equal(0, #warnings - 1) end, body)
    outcome(SUCCEEDED, nil, function() end, body)
    assert.equal(1, #warnings)
    assert.equal("data.order.id", warnings[1].context.place)
    assert.matches("send it as a text", warnings[1].message, 1, true)
  end)

  it("reports an error with the frames of the handler", function()
    local function inner() error("boom") end
    local _, reason, trace = outcome(FAILED, "boom", function() inner() return 1 end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: boom$", reason)
    assert.matches("in function 'inner'", trace, 1, true)
    assert.not_matches("xpcall", trace, 1, true)
    assert.not_matches("lunastalk/dispatch.lua", trace, 1, true)
  end)

  it("names the handler's line first when the error is not its own", function()
    local where = "^spec/unit/lua/dispatch_spec.lua:%d+: "
    local _, reason, trace = outcome(FAILED, "x.txt: No such file", function() assert(nil, "x.txt: No such file") end)
    assert.matches(where .. "x%.txt: No such file$", reason)
    assert.matches("in function 'assert'", trace, 1, true)
    local library = assert(loadstring("return function(job) error(job, 0) end", "@/usr/share/x.lua"))()
    _, reason = outcome(FAILED, "no", function() library "no" return 1 end)
    assert.matches(where .. "no$", reason)
    local old = assert(loadstring("error 'in the library'", "@/usr/x.lua"))
    _, reason = outcome(FAILED, "in the library", function() old() return 1 end)
    assert.matches(where .. "/usr/x.lua:1: in the library$", reason)
    _, reason = outcome(FAILED, "no stock", function() error("no stock", 0) end)
    assert.equal("no stock", reason)
    _, reason = outcome(FAILED, "boom", function() coroutine.wrap(function() error "boom" end)() return 1 end)
    assert.matches(where .. "boom$", reason)
  end)

  it("takes the traceback out of an error that the handler has caught with it", function()
    local function inner() error "boom" end
    local function caught() inner() return 1 end
    for _, passed_on in ipairs { function(why) error(why, 0) end, function(why) return false, why end } do
      local _, reason, trace = outcome(FAILED, "boom", function()
        local _, why = xpcall(caught, debug.traceback)
        return passed_on(why)
      end)
      assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: boom$", reason)
      assert.matches("^stack traceback:\n.*in function 'inner'", trace)
      assert.not_matches("lunastalk/dispatch.lua", trace, 1, true)
    end
  end)

  it("makes a reason of any error value", function()
    local function raise(value) return function() error(value, 0) end end
    local function object(show) return setmetatable({}, { __tostring = show }) end
    outcome(FAILED, "nil", raise(nil))
    outcome(FAILED, "false", raise(false))
    outcome(FAILED, "{}", raise({}))
    outcome(FAILED, '{"code":7}', raise({ code = 7 }))
    outcome(FAILED, "function: ", raise(print))
    outcome(FAILED, "cdata", raise(require("ffi").new("int[2]")))
    outcome(FAILED, "mine", raise(object(function() return "mine" end)))
    outcome(FAILED, "cannot be shown", raise(object(function() error("no") end)))
    outcome(FAILED, "cannot be shown", raise(object(function() return {} end)))
  end)

  it("bounds reason and traceback", function()
    local long = ("ä"):rep(100000)
    local _, reason, trace = outcome(FAILED, "bytes)", function() error(long) end)
    assert.is_true(#reason <= 4096 and #trace <= 16384)
    assert.is_string(json.encode(reason)) -- no character is cut
    _, reason = outcome(FAILED, "bytes)", function() return false, long end)
    assert.is_true(#reason <= 4096)
  end)

  it("survives a stack overflow", function()
    local function deep() return 1 + deep() end
    outcome(FAILED, "stack overflow", deep)
    outcome(SUCCEEDED, nil, function() end)
  end)

  it("releases", function()
    assert.equal(60, (outcome(RELEASED, "", function(job) job:release { delay = 60 } end)))
    assert.equal(60, (outcome(RELEASED, "", function(job) job:release(60) end)))
    assert.equal(0, (outcome(RELEASED, "", function(job) job:release() end)))
    assert.equal(2, (outcome(RELEASED, "", function(job) job:release(1.5) end)))
    assert.equal(4294967295, (outcome(RELEASED, "", function(job) job:release(4294967295) end)))
  end)

  it("buries", function()
    outcome(BURIED, "bad address", function(job) job:bury("bad address") end)
    outcome(BURIED, "buried", function(job) job:bury() end)
    outcome(BURIED, '{"code":1}', function(job) job:bury { code = 1 } end)
  end)

  it("lets nothing change an end that was called", function()
    local function quietly(job) pcall(job.release, job, 5) end
    local enders = {
      function() return true end,
      function() return false, "x" end,
      function() error("x") end,
      function(job) job:bury("x") end,
    }
    for _, ender in ipairs(enders) do
      assert.equal(5, (outcome(RELEASED, "", function(job) quietly(job) return ender(job) end)))
    end
    outcome(BURIED, "within", function(job) coroutine.wrap(function() job:bury("within") end)() end)
  end)

  it("refuses misuse of release where it stands", function()
    for _, options in ipairs { -1, 0 / 0, 4294967296, "x", { delay = "x" }, { dely = 1 } } do
      local _, reason = outcome(FAILED, "job:release", function(job) job:release(options) end)
      assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
    end
    outcome(FAILED, "colon", function(job) job.release(1) end)
    outcome(FAILED, "colon", function(job) job.bury("x") end)
  end)

  it("refuses a job that is over", function()
    local old
    outcome(SUCCEEDED, nil, function(job) old = job end)
    outcome(FAILED, "over", function() old:release() end)
    outcome(FAILED, "over", function() return old.tube end)
    outcome(FAILED, "over", function() old:touch() end)
    outcome(FAILED, "over", function() old:progress(1) end)
    outcome(FAILED, "over", function() old:once "k" end)
    outcome(FAILED, "over", function() old:tempdir() end)
    assert.same({ 0, 0 }, { asked, touched })
  end)

  it("asks for tube and attempt when they are read, once", function()
    outcome(SUCCEEDED, nil, function(job) return job.nothing end)
    assert.equal(0, asked)
    outcome(SUCCEEDED, nil, function(job)
      assert.same({ "mails", 3, "mails", 3 }, { job.tube, job.attempt, job.tube, job.attempt })
    end)
    assert.equal(1, asked)
    outcome(SUCCEEDED, nil, function(job) assert.equal("known", job.tube) end, nil, "known")
    assert.equal(1, asked)
  end)

  it("says which field cannot be read", function()
    answer = { nil, "connection lost" }
    local _, reason = outcome(FAILED, "cannot read job.attempt: connection lost", function(job) return job.attempt end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
  end)

  it("touches", function()
    outcome(SUCCEEDED, nil, function(job)
      job:touch()
      assert.is_nil(job:touch())
    end)
    assert.equal(2, touched)
    local _, reason = outcome(FAILED, "call it with a colon: job:touch()", function(job) job.touch() end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
    assert.equal(2, touched)
  end)

  it("asks for the job's directory once", function()
    outcome(SUCCEEDED, nil, function(job)
      assert.same({ "/tmp/x/1", "/tmp/x/1" }, { job:tempdir(), job:tempdir() })
    end)
    assert.equal(1, asked)
    made = { "/tmp/x/2" }
    outcome(SUCCEEDED, nil, function(job) assert.equal("/tmp/x/2", job:tempdir()) end)
    made = { nil, "No space left on device" }
    local _, reason = outcome(FAILED, "job:tempdir: No space left on device", function(job) job:tempdir() end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
  end)

  it("sends progress as JSON", function()
    outcome(SUCCEEDED, nil, function(job)
      for _, value in ipairs { 0.5, "half", true, false, { done = 1, of = 2 }, json.empty_array } do
        assert.is_nil(job:progress(value))
      end
      job:progress(("x"):rep(1022))
      job:progress "\226\130\172\n"
    end)
    assert.same({ "0.5", '"half"', "true", "false", '{"done":1,"of":2}', "[]", '"' .. ("x"):rep(1022) .. '"',
      '"\226\130\172\\n"' }, sent)
  end)

  it("sends ten values of progress at once, then ten a second, and the last one at the end", function()
    outcome(FAILED, "no", function(job)
      for i = 1, 5000 do job:progress(i) end
      assert.is_true(#sent >= 9 and #sent <= 11 and sent[#sent] == tostring(#sent))
      for i = 5001, 10000 do
        now = now + 0.001
        job:progress(i)
      end
      return false, "no"
    end)
    assert.is_true(#sent >= 58 and #sent <= 62, #sent)
    assert.equal("10000", sent[#sent])
    local all = #sent
    outcome(SUCCEEDED, nil, function(job) -- the next job has a share of its own
      job:progress "next"
      assert.equal('"next"', sent[#sent])
    end)
    assert.equal(all + 1, #sent)
  end)

  it("sends the last progress however the job ends", function()
    for _, ender in ipairs {
      function() end, error, function(job) job:release(5) end, function(job) job:bury "x" end,
    } do
      call(function(job)
        for i = 1, 100 do job:progress(i) end
        ender(job)
      end)
      assert.equal("100", sent[#sent])
    end
  end)

  it("refuses what is no progress where it stands, and keeps what was", function()
    local cyclic, deep = {}, {}
    cyclic.me = cyclic
    for _ = 1, 64 do deep = { deep } end
    for _, case in ipairs {
      { nil, "give it a number, a string, a boolean or a table, not nil" }, { json.null, "give it a number" },
      { print, "give it a number" }, { cyclic, "(or in itself)" }, { deep, "deeper than 64" },
      { { print }, "a function" },
      { 0 / 0, "the number" }, { 1 / 0, "the number inf" }, { { x = { 0 / 0 } }, "the number" },
      { ("x"):rep(1023), "1025 bytes of JSON are more than 1024" }, { ("\1"):rep(171), "bytes of JSON" },
      { "\255", "not UTF-8" }, { "a\0b", "NUL" }, { { ["a\0"] = 1 }, "NUL" }, { { 1, x = 2 }, "a table with a key" },
    } do
      local _, reason = outcome(FAILED, "job:progress: ", function(job)
        for i = 1, 100 do job:progress(i) end
        job:progress(case[1])
      end)
      assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
      assert.matches(case[2], reason, 1, true)
      assert.equal("100", sent[#sent])
    end
    outcome(FAILED, "colon: job:progress()", function(job) job.progress(1) end)
  end)

  it("asks whether the job is the first", function()
    outcome(SUCCEEDED, nil, function(job)
      assert.is_true(job:once "order:7")
      first = { false }
      assert.is_false(job:once("order:7", 60))
      assert.is_false(job:once(("k"):rep(200), 1.5))
      assert.is_false(job:once("\195\164 b", 2 ^ 32 - 1))
    end)
    assert.same({ { "order:7", 86400 }, { "order:7", 60 }, { ("k"):rep(200), 2 }, { "\195\164 b", 2 ^ 32 - 1 } }, keys)
  end)

  it("never answers once when nobody can tell", function()
    first = { nil, "redis away: connection refused" }
    local _, reason = outcome(FAILED, "job:once: redis away: connection refused", function(job) job:once "k" end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
    outcome(SUCCEEDED, nil, function(job)
      local fine, value = pcall(job.once, job, "k")
      assert.is_false(fine)
      assert.matches("redis away", value)
    end)
  end)

  it("refuses misuse of once where it stands", function()
    for _, key in ipairs { "", ("k"):rep(201), "a\nb", "a\0", "\127", 7, {}, false } do
      local _, reason = outcome(FAILED, "job:once: the key must be", function(job) job:once(key) end)
      assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: ", reason)
    end
    for _, ttl in ipairs { 0, 0.5, -1, 0 / 0, 1 / 0, 2 ^ 32, "60", {}, false } do
      outcome(FAILED, "job:once: ttl must be seconds", function(job) job:once("k", ttl) end)
    end
    outcome(FAILED, "job:once: the key must be", function(job) job:once() end)
    outcome(FAILED, "colon: job:once()", function(job) job.once "k" end)
    assert.same({}, keys)
  end)

  it("keeps the methods of one job from the others", function()
    outcome(SUCCEEDED, nil, function(job) job.touch = error end)
    outcome(SUCCEEDED, nil, function(job) job:touch() end)
    assert.equal(1, touched)
  end)

  it("fails a body that is no envelope and a name without handler", function()
    outcome(FAILED, "no envelope", function() end, "{")
    outcome(FAILED, "no envelope", function() end, "42")
    outcome(FAILED, "no handler x", nil)
  end)
end)
