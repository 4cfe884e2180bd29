--- Workers, Redis and the commands together.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server, store = beanstalkd.start(), redis.start()
local queue, db = server:client(), store:client()

local HANDLERS = {
  ["says.lua"] = "return function() require('lunastalk.log').info('old code') end",
  ["needs.lua"] = "return function() return io.open('ink') ~= nil, 'no ink' end",
  ["spins.lua"] = "return function() while true do end end",
}

local dir = worker.project {
  server = server, jobs = HANDLERS,
  config = {
    beanstalkd = { server = server.address }, redis = { server = store.address }, heartbeat = { every = "200ms" },
  },
}

local function start(number)
  local w = worker.start { dir = dir, args = { number } }
  w:log "handlers are loaded"
  wait.eventually(10, function()
    return db:call("HEXISTS", "workers.heartbeat", w:output():match "starts as (%S+)") == 1
  end, "the first beat")
  return w
end

local function lunastalk(...)
  local arguments = { ... }
  table.insert(arguments, { cwd = dir })
  return worker.lunastalk(unpack(arguments))
end

local function status()
  local code, output, errors = lunastalk("status", "--json")
  assert.equal(0, code, errors)
  local states = {}
  for _, one in ipairs(cjson.decode(output).workers) do
    states[one.heartbeat.pid] = one
  end
  return states
end

local function state(w, expected)
  return wait.eventually(10, function()
    local one = status()[w.pid]
    return one and one.state == expected and one
  end, "the state " .. expected)
end

describe("a fleet", function()
  local one, other
  before_each(function()
    one, other = start(1), start(2)
  end)
  after_each(function()
    one:destroy()
    other:destroy()
    db:call "FLUSHALL"
  end)

  it("is seen alive, busy, stopped and crashed", function()
    local id = queue:put(jobs.body "spins", { ttr = 60 })
    local busy = wait.eventually(10, function()
      for pid, worker_status in pairs(status()) do
        if worker_status.state == "busy" then
          return pid == one.pid and one or other
        end
      end
    end, "a busy worker")
    local idle = busy == one and other or one
    assert.equal("processing_job_spins", state(busy, "busy").heartbeat.status)
    assert.equal(0, (idle:stop()))
    state(idle, "stopped")
    busy:kill(signal.SIGKILL)
    busy:wait()
    state(busy, "crashed")
    queue:delete(id)
  end)

  it("loads new code at one word, and says who refused", function()
    temp.write(dir .. "/jobs/says.lua", "return function() require('lunastalk.log').info('new code') end")
    local began = wait.now()
    local code, output, errors = lunastalk("reload", "--wait", "--timeout", "20")
    assert.equal(0, code, output .. errors)
    queue:put(jobs.body "says")
    wait.eventually(5, function()
      return one:output():find "new code" or other:output():find "new code"
    end, "new code")
    print(("\nfrom `lunastalk reload` to the first job on new code: %.2f s"):format(wait.now() - began))
    temp.write(dir .. "/jobs/says.lua", "return function(")
    code, output, errors = lunastalk("reload", "--wait", "--timeout", "20")
    assert.equal(1, code)
    assert.matches("jobs/says%.lua:1:", output .. errors)
    began = wait.now()
    code, output, errors = lunastalk("reload", "--wait", "--timeout", "20") -- the same error, of this version
    assert.equal(1, code)
    assert.matches("jobs/says%.lua:1:", output .. errors)
    assert.is_true(wait.now() - began < 10)
    temp.write(dir .. "/jobs/says.lua", HANDLERS["says.lua"])
    assert.equal(0, (lunastalk("reload", "--wait", "--timeout", "20")))
  end)

  it("ends a job that somebody cancels", function()
    local id = queue:put(jobs.body "spins", { ttr = 60 })
    wait.eventually(10, function()
      return queue:stats_job(id).state == "reserved"
    end, "the start")
    local code, output, errors = lunastalk("cancel", "--id", id)
    assert.equal(0, code, output .. errors)
    jobs.becomes(queue, id, "buried")
    code, output = lunastalk("peek", "--id", id)
    assert.equal(0, code)
    assert.matches("cancelled", output)
    code, output, errors = lunastalk("cancel", "--id", id)
    assert.equal(1, code)
    assert.matches("buried", output .. errors)
    queue:delete(id)
  end)

  it("has what failed listed, and run again", function()
    assert.equal(0, (lunastalk("put", "needs", "--id", "order-1", "--track")))
    local id = wait.eventually(10, function()
      return queue:peek_state "buried"
    end, "the bury")
    local entry = wait.eventually(10, function()
      local code, output = lunastalk("failed", "--job", "needs", "--match", "INK", "--json")
      return code == 0 and cjson.decode(output)[1]
    end, "an entry")
    assert.same({ id, "no ink" }, { entry.id, entry.error })
    local code, output = lunastalk("record", "order-1")
    assert.equal(0, code)
    assert.matches("buried", output)
    temp.write(dir .. "/ink", "")
    code, output = lunastalk("failed", "--job", "needs", "--kick", "--yes")
    assert.equal(0, code, output)
    jobs.gone(queue, id)
    wait.eventually(10, function()
      return db:hash "jobs:order-1".state == "done"
    end, "the record of the success")
    assert.equal(0, db:call("XLEN", "lunastalk.failed"))
  end)

  it("keeps its jobs while Redis stands still", function()
    store.process:pause()
    local id = queue:put(cjson.encode { job = "spins", timeout = 4 }, { ttr = 1 })
    wait.eventually(15, function()
      local stats = queue:stats_job(id)
      assert.same({ 1, 0 }, { stats.reserves, stats.timeouts })
      return stats.state == "buried"
    end, "the end of the job")
    store.process:continue()
    wait.eventually(10, function()
      return db:call("XLEN", "lunastalk.failed") == 1
    end, "its failure")
    queue:delete(id)
  end)
end)
