local beanstalkd = require "spec.support.beanstalkd"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()

-- Stands in for the mail handler: what arrived is in its log.
local SEND_EMAIL = [[
local log = require "lunastalk.log"
return function(job)
  log.info("mail to {to}: {subject}", { to = job.data.to, subject = job.data.subject })
end
]]

local running = worker.start {
  server = server,
  config = { worker = { tubes = { "email.regular" } }, beanstalkd = { server = server.address } },
  jobs = { ["send_email.lua"] = SEND_EMAIL, ["noop.lua"] = "return function() end" },
}

-- Runs a producer with its jobs held back, so that they can be looked at; returns what it printed.
local function produce(script, ...)
  assert(queue:command "pause-tube email.regular 3600" == "PAUSED")
  local argv = { "php", "scripts/producers/php/" .. script, "127.0.0.1", tostring(server.port), "bob@x.org", ... }
  local code, output, errors = process.run(argv)
  assert.equal("", errors)
  assert.equal(0, code)
  return output
end

local function deleted()
  return queue:stats_tube("email.regular")["cmd-delete"]
end

local function consume(count)
  local before = deleted()
  assert(queue:command "pause-tube email.regular 0" == "PAUSED")
  wait.eventually(10, function()
    return deleted() == before + count
  end, count .. " jobs run")
  assert.same({ ready = 0, reserved = 0, delayed = 0, buried = 0 }, queue:jobs "email.regular")
end

describe("scripts/producers/php", function()
  wait.eventually(10, function()
    return queue:stats_tube "email.regular"
  end, "a worker that watches")

  it("put.php puts a job with explicit priority, delay and TTR, and it is run", function()
    local id = produce("put.php"):match "^put job (%d+) on email.regular\n$"
    local stats = queue:stats_job(id)
    assert.same({ 1024, 0, 60 }, { stats.pri, stats.delay, stats.ttr })
    consume(1)
    running:log "info send_email: mail to bob@x.org: Welcome"
  end)

  it("talk.php puts what the talk's Job class makes, empty lists included, and it is run", function()
    local noop, email = produce("talk.php"):match "^put noop as job (%d+) .-\nput send_email as job (%d+) "
    assert.equal('{"job":"noop","data":[],"success":[],"error":[]}', queue:peek(noop))
    assert.truthy(queue:peek(email):find('"success":[],"error":[]}', 1, true))
    local stats = queue:stats_job(email)
    assert.same({ 500, 0, 120 }, { stats.pri, stats.delay, stats.ttr })
    consume(2)
    running:log "mail to bob@x.org: So%-and%-so wants more info"
  end)

  it("track.php makes a record that lunastalk reads, puts the job, and tells what became of it", function()
    local store = redis.start()
    local client, uri = store:client(), "tcp://" .. store.address
    local pattern = "^put job (%d+) on email.regular, its record is jobs:(%x+)\nit is queued\n$"
    local id, record = produce("track.php", uri):match(pattern)
    assert.truthy(queue:peek(id):find('"id":"' .. record .. '"', 1, true))
    local fields = client:hash("jobs:" .. record)
    assert.same({ "queued", "send_email", "email.regular" }, { fields.state, fields.name, fields.tube })
    assert.is_true(client:call("TTL", "jobs:" .. record) > 7 * 86400 - 60)
    local _, output = worker.lunastalk("record", record, "--redis", store.address)
    assert.matches("\nstate      queued\nname       send_email\ncreated    ", output)
    consume(1)
    local waiting = process.spawn {
      "php", "scripts/producers/php/track.php", "127.0.0.1", tostring(server.port), "bob@x.org", uri, "20",
    }
    local key = waiting:expect "its record is (%S+)"
    assert(client:call("HSET", key, "state", "buried", "error", "no such mailbox"))
    assert.equal(0, waiting:wait(10))
    assert.matches("\nit is buried: no such mailbox\n$", waiting:output())
  end)
end)
