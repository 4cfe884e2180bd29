--- What the sinks of `log:` show.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()
local HANDLERS = {
  ["says.lua"] = [[return function(job)
    require("lunastalk.log").warning("mailing {to}\nnow", { to = "ann", count = 3, ["yes"] = true })
    print "plain"
    error "no ink"
  end]],
  ["asks.lua"] = [[return function(job)
    local log = require "lunastalk.log"
    log.notice "first"
    log.notice("attempt {attempt}", { attempt = job.attempt })
    io.open(job.data.barrier):read(1)
    log.notice "last"
    xpcall(function() error("caught") end, function(why)
      log.with { order = 7 }.warning("no", { exception = debug.traceback(why), list = { 1, { a = log } } })
    end)
  end]],
}

local function project(log)
  return worker.project {
    jobs = HANDLERS, config = { beanstalkd = { server = server.address }, log = log },
  }
end

-- The records of a worker's JSON, by message.
local function records(text)
  local found = {}
  for line in text:gmatch "[^\n]+" do
    local record = cjson.decode(line)
    found[record.message] = record
  end
  return found
end

describe("a sink with format: json", function()
  it("has Monolog's names, the worker in each record, and the job where there is one", function()
    local dir = project { { to = "stdout", level = "debug", format = "json" }, { to = "stderr", level = "critical" } }
    local id = queue:put(cjson.encode { job = "says", id = "order-7" })
    local w = worker.start { dir = dir, args = { "--max-jobs=1" } }
    assert.equal(0, (w:wait()))
    local found = records(w:output())
    local started = found["stopping: --max-jobs is reached"]
    assert.same({ 200, "INFO", "worker" }, { started.level, started.level_name, started.channel })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d000%+00:00$", started.datetime)
    local own = found["mailing ann\nnow"]
    assert.same({ 300, "WARNING", "says" }, { own.level, own.level_name, own.channel })
    assert.same({ to = "ann", count = 3, yes = true }, own.context)
    assert.same({ server.address, id, "order-7" }, { own.extra.server, own.extra.id, own.extra.record })
    assert.matches("_worker1$", own.extra.workerId)
    assert.equal(32, #own.extra.instanceHash)
    assert.equal(id, found.plain.extra.id)
    local failure = found["job failed and was buried: jobs/says.lua:4: no ink"]
    assert.same({ "default", id, 1 }, { failure.extra.tube, failure.extra.id, failure.extra.attempt })
    assert.same({
      class = "Lua error", message = "no ink", code = 0, file = "jobs/says.lua:4",
      trace = { "[C]: in function 'error'", "jobs/says.lua:4: in function <jobs/says.lua:1>" },
    }, failure.context.exception)
    queue:delete(id)
  end)
end)

describe("a record of a job", function()
  it("has the version of the handlers that run it, beyond a reload, and the attempt once it is known", function()
    local store, doors = redis.start(), { barrier.new(), barrier.new() }
    local db = store:client()
    db:call("SET", "worker_version", "v1")
    local dir = worker.project {
      jobs = HANDLERS,
      config = {
        beanstalkd = { server = server.address }, redis = { server = store.address }, heartbeat = { every = "100ms" },
        log = { { to = "stdout", level = "info", format = "json" } },
      },
    }
    local w = worker.start { dir = dir }
    wait.eventually(10, function()
      local beat = db:call("HGETALL", "workers.heartbeat")
      return beat[2] and cjson.decode(beat[2]).version == "v1"
    end, "the version in the heartbeat")
    local old = queue:put(cjson.encode { job = "asks", data = { barrier = doors[1].path } })
    w:log '"message":"attempt 1"'
    db:call("SET", "worker_version", "v2")
    w:log '"message":"reloaded: '
    local new = queue:put(cjson.encode { job = "asks", data = { barrier = doors[2].path } })
    w:log('"id":"' .. new .. '"')
    doors[1]:open()
    doors[2]:open()
    jobs.gone(queue, old, new)
    assert.equal(0, (w:stop()))
    local seen = {}
    for line in w:output():gmatch "[^\n]+" do
      local record = cjson.decode(line)
      local extra = record.extra
      if extra.id then
        assert.same({ "asks", "asks", server.address }, { record.channel, extra.job, extra.server })
        local which = extra.id == old and "old" or "new"
        table.insert(seen, { which, record.message, extra.version, extra.attempt })
      end
      if record.message == "no" then
        local exception = record.context.exception
        assert.same({ "caught", "jobs/asks.lua:7" }, { exception.message, exception.file })
        assert.same({ 7, 1 }, { record.context.order, record.context.list[1] })
      end
    end
    table.sort(seen, function(a, b) return a[1] .. (a[4] or 0) .. a[2] > b[1] .. (b[4] or 0) .. b[2] end)
    assert.same({
      { "old", "no", "v1", 1 }, { "old", "last", "v1", 1 }, { "old", "attempt 1", "v1", 1 }, { "old", "first", "v1" },
      { "new", "no", "v2", 1 }, { "new", "last", "v2", 1 }, { "new", "attempt 1", "v2", 1 }, { "new", "first", "v2" },
    }, seen)
  end)
end)

describe("a sink on a terminal", function()
  local function shows(environment)
    local line = ("%s run --allow-root --stop-when-empty"):format(worker.built "lunastalk")
    local code, output = process.run({ "script", "-qec", line, "/dev/null" },
      { cwd = project { { to = "stdout", level = "info" } }, env = environment })
    assert.equal(0, code)
    return output
  end

  it("colours the level", function()
    local output = shows { TERM = "xterm", NO_COLOR = false }
    assert.matches("Z \27%[32minfo\27%[0m worker: stopped worker=[^\n]* errors=0\r?\n", output)
  end)

  it("has no colours with NO_COLOR, and on a terminal that has none", function()
    assert.matches("Z info worker: stopped[^\n]* workerId=", shows { TERM = "xterm", NO_COLOR = "1" })
    assert.matches("Z info worker: stopped", shows { TERM = "dumb", NO_COLOR = false })
  end)
end)

describe("a line", function()
  it("names the job and its record, and the worker last", function()
    local id = queue:put(cjson.encode { job = "says", id = "order-8" })
    local w = worker.start { dir = project { { to = "stdout", level = "info" } }, args = { "--max-jobs=1" } }
    assert.equal(0, (w:wait()))
    w:log("warning says: mailing ann\\nnow count=3 yes=true server=" .. server.address .. " id=" .. id
      .. "[^\n]* record=order%-8 job=says workerId=%S+_worker1 instanceHash=%x+\n")
    jobs.becomes(queue, id, "buried")
    queue:delete(id)
  end)
end)
