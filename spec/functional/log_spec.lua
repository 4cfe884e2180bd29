--- What the sinks of `log:` show.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()
local HANDLERS = {
  ["says.lua"] = [[return function(job)
    require("lunastalk.log").warning("mailing {to}\nnow", { to = "ann", count = 3, ["yes"] = true })
    print "plain"
    error "no ink"
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

describe("a sink on a terminal", function()
  local function shows(environment)
    local line = ("%s run --allow-root --stop-when-empty"):format(worker.built "lunastalk")
    local code, output = process.run({ "script", "-qec", line, "/dev/null" },
      { cwd = project { { to = "stdout", level = "info" } }, env = environment })
    assert.equal(0, code)
    return output
  end

  it("colours the level", function()
    assert.matches("Z \27%[32minfo\27%[0m worker: stopped", shows { TERM = "xterm", NO_COLOR = false })
  end)

  it("has no colours with NO_COLOR, and on a terminal that has none", function()
    assert.matches("Z info worker: stopped", shows { TERM = "xterm", NO_COLOR = "1" })
    assert.matches("Z info worker: stopped", shows { TERM = "dumb", NO_COLOR = false })
  end)
end)

describe("a line", function()
  it("names the job and its record", function()
    local id = queue:put(cjson.encode { job = "says", id = "order-8" })
    local w = worker.start { dir = project { { to = "stdout", level = "info" } }, args = { "--max-jobs=1" } }
    assert.equal(0, (w:wait()))
    w:log("warning says: mailing ann\\nnow count=3 yes=true server=" .. server.address .. " id=" .. id
      .. "[^\n]* record=order%-8\n")
    jobs.becomes(queue, id, "buried")
    queue:delete(id)
  end)
end)
