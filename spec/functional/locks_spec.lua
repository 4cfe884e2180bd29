--- What a job asks and hears through Redis while it runs: job:once, cancel.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local observed = require "spec.support.observed"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local queue, db = observed.queue, observed.db
local start, put, beats, is, runs = observed.start, observed.put, observed.beats, observed.is, observed.runs

describe("job:once", function()
  it("is true for one job, and given back by one that fails", function()
    local w = start()
    local function first(fails)
      local mark = w:mark()
      put(w, "once", { data = { key = "refund:1", fails = fails } })
      return w:log("first (%l+)", 10, mark)
    end
    assert.equal("true", first(true))
    wait.eventually(10, function()
      return db:call("EXISTS", "once:refund:1") == 0
    end, "the key given back")
    assert.equal("true", first(false))
    assert.equal("false", first(true))
    assert.near(60, db:call("TTL", "once:refund:1"), 5)
    assert.equal(0, (w:stop()))
  end)

  local function gone(key, connection)
    wait.eventually(10, function()
      return (connection or db):call("EXISTS", "once:" .. key) == 0
    end, key .. " given back")
  end

  it("is given back by a job that is cut short", function()
    local w = start()
    put(w, "holds", { data = { key = "cut" }, timeout = 60 })
    w:log "notice holds: holds"
    assert.equal(1, db:call("EXISTS", "once:cut"))
    w:kill()
    w:log "stopping: "
    w:kill()
    assert.equal(1, (w:wait()))
    gone "cut"
  end)

  -- A job that loses its reservation while it holds a key, and ends then as `fails` says.
  local function lost(key, fails)
    local own = beanstalkd.start()
    local w = start { server = own }
    assert(own:client():put(cjson.encode { job = "holds", data = { key = key, fails = fails }, timeout = 60 },
      { tube = w.tube }))
    w:log "notice holds: holds"
    own:stop(signal.SIGKILL)
    w:log "lost its reservation while it ran"
    beats(w, is "idle")
    return w
  end

  it("is given back by a job that was lost and fails", function()
    local w = lost("lost.1", true)
    gone "lost.1"
    assert.equal(0, (w:stop()))
  end)

  it("is kept by a job that was lost and has done its work: its next run is not the first", function()
    local w = lost("lost.2", false)
    assert.equal(0, (w:stop())) -- what was to be given back has been sent
    assert.equal(1, db:call("EXISTS", "once:lost.2"))
  end)

  it("is given back when Redis took it without an answer", function()
    local own = redis.start()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    own.process:pause()
    local id = put(w, "once", { data = { key = "slow" } })
    w:log("job failed and was buried: [^\n]*redis away: no answer[^\n]* id=" .. id)
    own.process:continue()
    wait.eventually(10, function()
      return connection:call("INFO", "commandstats"):find "cmdstat_eval:"
    end, "the giving back")
    assert.matches("cmdstat_set:calls=1,", connection:call("INFO", "commandstats"))
    gone("slow", connection)
    assert.equal(0, (w:stop()))
  end)

  it("is true when the same run asks again after its answer was lost", function()
    local own, closed = redis.start(), barrier.new()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    own.process:pause()
    put(w, "twice", { data = { key = "again", barrier = closed.path }, timeout = 60 })
    w:log "twice: not answered"
    own.process:continue()
    wait.eventually(10, function()
      return connection:call("EXISTS", "once:again") == 1
    end, "the key")
    local now = os.time()
    beats(w, function(told) return told.timestamp > now end, "a new connection", connection)
    closed:open()
    w:log "twice: first true"
    wait.eventually(10, function()
      return connection:call("GET", "once:again"):find "^done "
    end, "the mark of a run that ended well")
    assert.equal(0, (w:stop()))
  end)

  it("is an error where an earlier run of the job has the key, and did not end well", function()
    local w = start()
    local id = assert(queue:put(cjson.encode { job = "once", data = { key = "early" } }, { tube = w.tube, delay = 1 }))
    db:call("SET", "once:early", ("%s %s another"):format(observed.server.address, id), "EX", 60)
    w:log("job failed and was buried: [^\n]*an earlier run of this job has once:early and may still be at it[^\n]* id="
      .. id)
    assert.equal(0, (w:stop()))
  end)

  it("is true for the run that follows one that lost the job in the middle", function()
    local own, door = beanstalkd.start { binlog = true }, temp.dir() .. "/door"
    local w = start { server = own, config = { worker = { executors = 2 } } }
    local body = cjson.encode { job = "stubborn", data = { key = "lost.3", door = door }, timeout = 60 }
    local id = assert(own:client():put(body, { tube = w.tube, ttr = 60 }))
    w:log "first true"
    own:stop(signal.SIGKILL)
    own:start_again()
    w:log("lost its reservation while it ran")
    local mark = w:mark()
    w:log("first true", 20, mark)
    temp.write(door, "")
    jobs.gone(own:client(), id)
    assert.not_matches("first false", w:output())
    assert.equal(0, (w:stop()))
  end)

  it("of another type is an error", function()
    local w = start()
    db:call("LPUSH", "once:list", "x")
    put(w, "once", { data = { key = "list" } })
    w:log "job failed and was buried: [^\n]*redis away: WRONGTYPE"
    assert.equal(0, (w:stop()))
  end)

  it("that is not answered does not keep a worker from stopping", function()
    local own = redis.start()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", own:client())
    own.process:pause()
    local id = put(w, "once", { data = { key = "late" } })
    w:log "notice once: asks"
    w:kill()
    w:log "stopping: "
    w:kill()
    assert.equal(1, (w:wait(5)))
    own.process:continue()
    jobs.becomes(queue, id, "ready")
  end)

  it("never guesses", function()
    local own = redis.start()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", own:client())
    own:stop(signal.SIGKILL)
    local id = put(w, "once", { data = { key = "k" } })
    w:log("job failed and was buried: [^\n]*redis away: [^\n]* id=" .. id)
    assert.is_nil(w:output():find "first ")
    assert.equal(0, (w:stop()))
  end)
end)

describe("a cancelled job", function()
  it("ends as failed, and is not tried again", function()
    local w = start { config = { jobs = { retry = { max = 3, delay = 1 } } } }
    local id = put(w, "spins")
    beats(w, is "processing_job_spins")
    local key = ("lunastalk.cancel:%s:%s"):format(queue:stats().id, id)
    db:call("SET", key, "me", "EX", 60)
    w:log("job failed and was buried: cancelled [^\n]* id=" .. id)
    assert.matches("job " .. id .. " is cancelled by me", w:output())
    assert.equal(0, db:call("EXISTS", key))
    runs(w)
    assert.equal(0, (w:stop()))
  end)

  it("is not cancelled while it is being stopped for another reason: its next run is", function()
    local w = start { config = { jobs = { retry = { max = 3, delay = 1 } } } }
    local id = put(w, "holds", { timeout = 1, data = { key = "stubborn", stubborn = true } })
    w:log "notice holds: interrupted"
    local key = ("lunastalk.cancel:%s:%s"):format(queue:stats().id, id)
    db:call("SET", key, "me", "EX", 60)
    w:log("holds: job failed, attempt 1 of 4, and is retried in 1 s: timed out after 1 s [^\n]* id=" .. id)
    assert.equal(1, db:call("EXISTS", key))
    w:log("job " .. id .. " is cancelled by me")
    w:log("holds: job failed and was buried: cancelled [^\n]* id=" .. id .. " [^\n]*attempt=2 ")
    assert.equal(0, db:call("EXISTS", key))
    assert.equal(0, (w:stop()))
  end)
end)
