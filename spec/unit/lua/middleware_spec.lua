package.path = "runtime/lua/?.lua;" .. package.path
local dispatch = require "lunastalk.dispatch"

local SUCCEEDED, FAILED, RELEASED, BURIED = 0, 1, 2, 3

-- Outcome, reason and traceback of the handler within the middleware.
local function run(middleware, handler)
  local kind, _, reason, trace = dispatch.new({ x = handler }, {}, error, middleware)("s", "7", "x", "t", '{"job":"x"}')
  return kind, reason, trace
end

local function pass(_, next) return next() end
local function ignore(_, next) pcall(next) end

describe("a middleware", function()
  it("is given the job and its handler, and the job's outcome is the handler's", function()
    local seen = {}
    local function notes(job, next)
      seen[1] = job.name
      local result, reason = next()
      seen[2], seen[3] = result, reason
    end
    assert.same({ FAILED, "no ink", "" }, { run(notes, function(job) return false, job.id == "7" and "no ink" end) })
    assert.same({ "x", false, "no ink" }, seen)
    for kind, handler in pairs {
      [SUCCEEDED] = function() end,
      [FAILED] = function() error "no ink" end,
      [RELEASED] = function(job) job:release(5) end,
      [BURIED] = function(job) job:bury "enough" end,
    } do
      assert.equal(kind, (run(pass, handler)))
      assert.equal(kind, (run(ignore, handler)))
    end
  end)

  it("decides otherwise by what it returns or raises", function()
    assert.equal(SUCCEEDED, (run(function(_, next) return next() or true end, function() return false end)))
    assert.same({ FAILED, "late", "" }, { run(function(_, next) next() return false, "late" end, function() end) })
    local kind, reason = run(function(_, next) next() error "after" end, function() end)
    assert.equal(FAILED, kind)
    assert.matches("middleware_spec.lua:%d+: after$", reason)
    assert.equal(SUCCEEDED, (run(function() return true end, error)))
  end)

  it("sees an error as it was raised, and the traceback is the handler's", function()
    local value, seen = { code = 7 }, nil
    local function handler() error(value) end
    local _, reason, trace = run(function(_, next)
      local _, why = pcall(next)
      seen = why
      error(why, 0)
    end, handler)
    assert.equal(value, seen)
    assert.equal('{"code":7}', reason)
    assert.matches("in function 'error'", trace, 1, true)
    local _, plain = run(pass, function() error "no ink" end)
    assert.matches("middleware_spec.lua:%d+: no ink$", plain)
  end)

  it("fails a job for which it does nothing, or for which it runs the handler again", function()
    local kind, reason = run(function() end, error)
    assert.same({ FAILED, "jobs/_middleware.lua neither called next nor returned an outcome" }, { kind, reason })
    kind, reason = run(function(_, next) next() next() end, function() end)
    assert.equal(FAILED, kind)
    assert.matches("middleware_spec.lua:%d+: next was called before$", reason)
  end)

  it("goes on after what ended the job, which it cannot undo", function()
    local went
    assert.equal(BURIED, (run(function(_, next) went = select("#", next()) end, function(job) job:bury() end)))
    assert.equal(2, went)
    assert.equal(BURIED, (run(function(_, next) pcall(next) return true end, function(job) job:bury() end)))
    assert.equal(RELEASED, (run(function(job) job:release(1) end, error)))
  end)
end)
