--- What became of jobs, told through Redis: the index of failures, and records.
local barrier = require "spec.support.barrier"
local jobs = require "spec.support.jobs"
local observed = require "spec.support.observed"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local wait = require "spec.support.wait"

local server, queue, db = observed.server, observed.queue, observed.db
local start, put, beats, is = observed.start, observed.put, observed.beats, observed.is

local function failures(id)
  local found = {}
  for _, entry in ipairs(db:call("XRANGE", "lunastalk.failed", "-", "+")) do
    local fields = {}
    for i = 1, #entry[2], 2 do
      fields[entry[2][i]] = entry[2][i + 1]
    end
    if fields.id == id then
      table.insert(found, fields)
    end
  end
  return found
end

local function failed(id, count)
  return wait.eventually(10, function()
    local found = failures(id)
    return #found == count and found
  end, count .. " failures of job " .. id)
end

describe("a failure", function()
  it("is in the index with all that is known, without an id too", function()
    local w = start()
    local id = put(w, "bad", { id = "invoice-7" })
    local entry = failed(id, 1)[1]
    assert.same({ server.address, queue:stats().id, "bad", w.tube, "1", "buried", "no paper", w.id, "invoice-7" }, {
      entry.server, entry.instance, entry.name, entry.tube, entry.attempt, entry.state, entry.error, entry.worker,
      entry.record,
    })
    id = put(w, "dies")
    entry = failed(id, 1)[1]
    assert.same({ "killed by signal 9 (Killed)", "" }, { entry.error, entry.record })
    assert.matches("soon", entry.traceback)
    assert.equal(0, (w:stop()))
  end)

  it("is there for each attempt", function()
    local w = start()
    local id = put(w, "tries")
    local entries = failed(id, 2)
    assert.same({ "1", "retrying", "1" }, { entries[1].attempt, entries[1].state, entries[1].delay })
    assert.same({ "2", "buried", "no ink" }, { entries[2].attempt, entries[2].state, entries[2].error })
    assert.equal(0, (w:stop()))
  end)

  it("of an unknown name or of no envelope is one too", function()
    local w = start()
    assert.matches("there is no handler", failed(put(w, "nobody"), 1)[1].error)
    local id = assert(queue:put("hello", { tube = w.tube }))
    assert.matches("not JSON", failed(id, 1)[1].error)
    assert.equal(0, (w:stop()))
  end)
end)

describe("a record", function()
  local function record(id, state)
    return wait.eventually(10, function()
      local fields = db:hash("jobs:" .. id)
      return fields.state == state and fields
    end, "the state " .. state .. " of " .. id)
  end

  it("follows its job", function()
    local w, closed = start(), barrier.new()
    local job = put(w, "waits", { id = "a.1", data = { barrier = closed.path } })
    local fields = record("a.1", "running")
    assert.same({ "waits", job, server.address, w.id }, { fields.name, fields.job, fields.server, fields.worker })
    closed:open()
    fields = record("a.1", "done")
    assert.same({ '{"step":3}', "" }, { fields.progress, fields.error })
    assert.is_true(tonumber(fields.updated) >= tonumber(fields.created) and tonumber(fields.runtime) > 0)
    assert.near(7 * 86400, db:call("TTL", "jobs:a.1"), 10)
    put(w, "tries", { id = "a.2" })
    record("a.2", "retrying")
    fields = record("a.2", "buried")
    assert.same({ "no ink", "2" }, { fields.error, fields.attempt })
    assert.equal(0, (w:stop()))
  end)

  it("that a producer began keeps when that was", function()
    db:call("HSET", "jobs:b.1", "state", "queued", "created", "12.5", "note", "mine")
    local w = start()
    put(w, "ok", { id = "b.1" })
    local fields = record("b.1", "done")
    assert.same({ "12.5", "mine" }, { fields.created, fields.note })
    assert.equal(0, (w:stop()))
  end)

  it("is whole and as the job ended when Redis refused to write meanwhile", function()
    local own = redis.start()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    connection:call("CONFIG", "SET", "maxmemory", "1")
    jobs.becomes(queue, put(w, "tries", { id = "d.1" }), "buried")
    observed.refused(connection, 10)
    local refused = observed.refusals(connection, "xadd")
    assert.is_true(refused >= 1 and refused <= 40, refused .. " tries to write a failure") -- each second, and for news
    connection:call("CONFIG", "SET", "maxmemory", "0")
    w:log "is well again"
    wait.eventually(10, function()
      return connection:call("XLEN", "lunastalk.failed") == 2 and connection:hash("jobs:d.1").state == "buried"
    end, "all updates")
    assert.equal("2", connection:hash("jobs:d.1").attempt)
    assert.near(7 * 86400, connection:call("TTL", "jobs:d.1"), 10)
    assert.equal(0, (w:stop()))
    assert.equal("buried", connection:hash("jobs:d.1").state)
  end)

  it("is not set back by what comes late, and its end counts whatever the clocks say", function()
    local w = start()
    local id = assert(queue:put('{"job":"tries","id":"f.1"}', { tube = w.tube, delay = 1 }))
    db:call("HSET", "jobs:f.1", "state", "running", "attempt", "1", "worker", "another", "job", id, "updated",
      os.time() + 1000)
    w:log("tries: job failed, attempt 1 of 2")
    w:log("tries: job failed and was buried")
    local fields = record("f.1", "buried")
    assert.same({ w.id, "2" }, { fields.worker, fields.attempt })
    db:call("HSET", "jobs:f.1", "worker", "another", "state", "done", "attempt", "1", "updated", os.time() + 1000)
    assert(queue:kick_job(id))
    failed(id, 3) -- told in one write with the record
    assert.equal("done", db:hash("jobs:f.1").state)
    record("f.1", "buried")
    assert.equal(0, (w:stop()))
  end)

  it("of more jobs than fit is dropped, and counted", function()
    local own = redis.start()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    own.process:pause()
    for i = 1, 8000 do
      put(w, "ok", { id = "many." .. i })
    end
    wait.eventually(30, function()
      local stats = queue:stats()
      return tonumber(stats["current-jobs-ready"]) + tonumber(stats["current-jobs-reserved"]) == 0
    end, "the end of all jobs")
    own.process:continue()
    local dropped, lines = 0, 0
    wait.eventually(20, function()
      dropped, lines = 0, 0
      for count in w:output():gmatch "(%d+) updates for redis were dropped" do
        dropped, lines = dropped + count, lines + 1
      end
      return dropped > 0 and #connection:call("KEYS", "jobs:many.*") + dropped >= 8000 -- what was sent may be both
    end, "8000 records, written or counted")
    assert.is_true(dropped > 1000 and lines < 20, lines .. " lines")
    assert.equal(0, (w:stop()))
  end)

  it("that cannot be told before the worker has stopped is counted", function()
    local own = redis.start()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", own:client())
    own:stop(signal.SIGKILL)
    jobs.becomes(queue, put(w, "bad", { id = "e.1" }), "buried")
    assert.equal(0, (w:stop()))
    assert.matches("2 updates for redis are lost with this stop", w:output())
  end)

  it("and the failure of a job that ends while Redis is away come later", function()
    local own = redis.start()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", own:client())
    own:stop(signal.SIGKILL)
    w:log "redis at [^\n]*; jobs go on without it"
    local id = put(w, "bad", { id = "c.1" })
    wait.eventually(10, function()
      return queue:stats_job(id).state == "buried"
    end, "the bury")
    own:start_again()
    local connection = own:client()
    local fields = wait.eventually(10, function()
      local found = connection:hash "jobs:c.1"
      return found.state and found
    end, "the record")
    assert.same({ "buried", "no paper" }, { fields.state, fields.error })
    assert.equal(1, connection:call("XLEN", "lunastalk.failed"))
    w:log "is well again"
    assert.equal(0, (w:stop()))
  end)
end)
