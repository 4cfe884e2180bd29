package.path = "runtime/lua/?.lua;" .. package.path
local dispatch = require "lunastalk.dispatch"
local json = require "lunastalk.json"

local SUCCEEDED, FAILED, RELEASED, BURIED = 0, 1, 2, 3

describe("lunastalk.dispatch", function()
  local asked, touched, made, warnings, answer, handlers, call

  before_each(function()
    asked, touched, made, warnings, answer, handlers = 0, 0, { "/tmp/x/1" }, {}, { "mails", 3 }, {}
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
    }, function(message, context)
      warnings[#warnings + 1] = { message = message, context = context }
    end)
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

  it("reports an error with the frames of the handler", function()
    local function inner() error("boom") end
    local _, reason, trace = outcome(FAILED, "boom", function() inner() return 1 end)
    assert.matches("^spec/unit/lua/dispatch_spec.lua:%d+: boom$", reason)
    assert.matches("in function 'inner'", trace, 1, true)
    assert.not_matches("xpcall", trace, 1, true)
    assert.not_matches("lunastalk/dispatch.lua", trace, 1, true)
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
