--- What a worker tells through Redis and hears there, and that Redis is never in the way of jobs.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local HANDLERS = {
  ["ok.lua"] = "return function() end",
  ["bad.lua"] = "return function() error('no paper', 0) end",
  ["tries.lua"] = "return { retry = { max = 1, delay = 1 }, process = function() return false, 'no ink' end }",
  ["dies.lua"] = [[
    require("ffi").cdef "int getpid(void); int kill(int pid, int number);"
    return function()
      require("lunastalk.log").warning("soon")
      require("ffi").C.kill(require("ffi").C.getpid(), 9)
    end]],
  ["waits.lua"] = [[return function(job)
    job:progress { step = 3 }
    io.open(job.data.barrier):read(1)
  end]],
  ["spins.lua"] = "return function() while true do end end",
  ["once.lua"] = [[return function(job)
    local first = job:once(job.data.key, 60)
    require("lunastalk.log").notice("first {first}", { first = first })
    return not job.data.fails, "failed after once"
  end]],
}

local server = beanstalkd.start()
local queue = server:client()
local store = redis.start()
local db = store:client()

local tubes = 0

-- A worker with a tube and a number of its own.
local function start(options)
  options = options or {}
  tubes = tubes + 1
  local config = options.config or {}
  config.redis = config.redis or { server = (options.store or store).address }
  config.heartbeat = config.heartbeat or { every = "200ms" }
  config.worker = config.worker or {}
  config.worker.tubes = { "tube" .. tubes }
  local w = worker.start {
    server = options.server or server, jobs = HANDLERS, config = config, args = options.args or { tubes },
    files = options.files,
  }
  w:log "handlers are loaded"
  w.tube, w.id = "tube" .. tubes, w:output():match "starts as (%S+)"
  return w
end

local function put(w, name, envelope)
  envelope = envelope or {}
  envelope.job = name
  return (assert(queue:put(cjson.encode(envelope), { tube = w.tube })))
end

local function beat(w, connection)
  local field = (connection or db):call("HGET", "workers.heartbeat", w.id)
  return field and cjson.decode(field)
end

-- Waits for a heartbeat that `check` likes.
local function beats(w, check, what, connection)
  return wait.eventually(10, function()
    local told = beat(w, connection)
    return told and check(told) and told
  end, what or "a heartbeat")
end

local function is(status)
  return function(told)
    return told.status == status
  end
end

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

local function runs(w)
  local id = put(w, "ok")
  wait.eventually(10, function()
    return not queue:stats_job(id)
  end, "the end of a job")
end

describe("a heartbeat", function()
  it("tells what the worker is and does", function()
    local w, closed = start { config = { worker = { executors = 2 } } }, barrier.new()
    local told = beats(w, is "idle")
    assert.same({ w.id, w.pid, 0, 0, "", 0.2, { w.tube }, { {}, {} }, server.address }, {
      told.workerId, told.pid, told.jobs, told.errors, told.version, told.every, told.tubes, told.executors,
      told.server,
    })
    assert.matches("^%x+$", told.instanceHash)
    assert.near(os.time(), told.timestamp, 2)
    assert.near(os.time(), told.started, 5)
    assert.is_true(told.rss > 1e6 and told.reserved_at == cjson.null and told.reload_error == cjson.null)
    local id = put(w, "waits", { data = { barrier = closed.path } })
    told = beats(w, is "processing_job_waits")
    local running = told.executors[1].job and told.executors[1] or told.executors[2]
    assert.same({ "waits", id, server.address }, { running.job, running.id, running.server })
    assert.near(os.time(), running.since, 2)
    assert.same({ step = 3 }, beats(w, function(later)
      running = later.executors[1].job and later.executors[1] or later.executors[2]
      return running.progress ~= cjson.null
    end, "progress") and running.progress)
    closed:open()
    told = beats(w, is "idle")
    assert.equal(1, told.jobs)
    assert.near(os.time(), told.reserved_at, 3)
    put(w, "bad")
    beats(w, function(later) return later.jobs == 2 and later.errors == 1 end)
    assert.equal(0, (w:stop()))
    assert.equal("stopped", beat(w).status)
  end)

  it("says that it stops while a job ends", function()
    local w, closed = start(), barrier.new()
    put(w, "waits", { data = { barrier = closed.path } })
    beats(w, is "processing_job_waits")
    w:kill()
    beats(w, is "stopping")
    closed:open()
    assert.equal(0, (w:wait()))
    assert.equal("stopped", beat(w).status)
  end)

  it("is of one worker alone, or both say so", function()
    local one = start { args = { "--name=twin" } }
    beats(one, is "idle")
    local other = start { args = { "--name=twin" } }
    one:log "another worker has the id %S+twin1: "
    other:log "another worker has the id %S+twin1: "
    assert.equal(0, (one:stop()))
    assert.equal(0, (other:stop()))
  end)

  it("of nobody for a week is removed", function()
    db:call("HSET", "workers.heartbeat", "old_worker1", '{"timestamp":' .. os.time() - 8 * 86400 .. "}")
    db:call("HSET", "workers.heartbeat", "young_worker1", '{"timestamp":' .. os.time() - 6 * 86400 .. "}")
    db:call("HSET", "workers.heartbeat", "odd_worker1", "no json")
    local w = start()
    wait.eventually(10, function()
      return db:call("HEXISTS", "workers.heartbeat", "old_worker1") == 0
    end, "its removal")
    assert.equal(1, db:call("HEXISTS", "workers.heartbeat", "young_worker1"))
    assert.equal(1, db:call("HEXISTS", "workers.heartbeat", "odd_worker1"))
    assert.equal(0, (w:stop()))
  end)

  it("stands under the prefix and key that are configured", function()
    local w = start { config = {
      redis = { server = store.address, prefix = "shop:", db = 3 }, heartbeat = { key = "beats" },
    } }
    local other = store:client()
    other:call("SELECT", 3)
    wait.eventually(10, function()
      return other:call("HEXISTS", "shop:beats", w.id) == 1
    end, "the field")
    assert.equal(0, (w:stop()))
  end)

  it("goes over a unix socket, with a user and a password from a file", function()
    local own = redis.start { unix = true, args = { "--user", "app", "on", ">geheim", "~*", "+@all" } }
    local connection = own:client()
    local w = start {
      config = { redis = { server = own.address, user = "app", password_file = "secret" } },
      files = { secret = "geheim\n" },
    }
    beats(w, is "idle", "a heartbeat", connection)
    assert.equal(0, (w:stop()))
    assert.is_nil(w:output():find "geheim")
  end)
end)

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

describe("the version key", function()
  before_each(function()
    db:call("DEL", "worker_version")
  end)

  it("is the base when it is read first, and a change of it reloads", function()
    db:call("SET", "worker_version", "one")
    local w = start()
    beats(w, function(told) return told.version == "one" end)
    db:call("SET", "worker_version", "two")
    beats(w, function(told) return told.version == "two" end)
    w:log "reloaded: 7 handlers"
    db:call("DEL", "worker_version")
    local mark = w:mark()
    beats(w, function(told) return told.timestamp > os.time() - 1 end)
    runs(w)
    for _, value in ipairs { ("v"):rep(1024 * 1024), "a\nb", "" } do
      db:call("SET", "worker_version", value)
      if value ~= "" then
        w:log("holds no version", 10, mark)
      end
    end
    assert.equal("two", beat(w).version)
    assert.is_nil(w:output():sub(mark):find "reloaded")
    assert.equal(0, (w:stop()))
  end)

  it("that appears is a change", function()
    local w = start()
    beats(w, is "idle")
    db:call("SET", "worker_version", "new")
    w:log "reloaded: 7 handlers"
    beats(w, function(told) return told.version == "new" end)
    assert.equal(0, (w:stop()))
  end)

  it("ends the worker where that is configured", function()
    local w = start { config = { reload = { on_change = "exit" } } }
    beats(w, is "idle")
    db:call("SET", "worker_version", "next")
    assert.equal(0, (w:wait(15)))
    assert.matches("the version key is next: this worker stops in", w:output())
  end)
end)

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
end)

describe("Redis in trouble", function()
  -- One warning that quotes it, jobs go on, and it is well again by itself.
  local function trouble(options, hurt, quoted, heal)
    local own = redis.start(options)
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    hurt(connection, own)
    w:log("warning [^\n]*redis at [^\n]*: [^\n]*" .. quoted, 10)
    runs(w)
    put(w, "bad")
    heal(connection, own)
    w:log("redis at %S+ is well again", 10)
    local _, warnings = w:output():gsub("redis at [^\n]*jobs go on", "")
    assert.equal(1, warnings)
    assert.equal(0, (w:stop()))
  end

  it("refuses to write: READONLY", function()
    trouble({}, function(connection)
      connection:call("REPLICAOF", "127.0.0.1", "1")
    end, "READONLY", function(connection)
      connection:call("REPLICAOF", "NO", "ONE")
    end)
  end)

  it("has no memory: OOM", function()
    trouble({}, function(connection)
      connection:call("CONFIG", "SET", "maxmemory", "1")
    end, "OOM", function(connection)
      connection:call("CONFIG", "SET", "maxmemory", "0")
    end)
  end)

  it("holds another thing under the key: WRONGTYPE", function()
    trouble({}, function(connection)
      connection:call("SET", "workers.heartbeat", "mine")
    end, "WRONGTYPE", function(connection)
      connection:call("DEL", "workers.heartbeat")
    end)
  end)

  it("wants a password: NOAUTH", function()
    trouble({}, function(connection)
      connection:call("CONFIG", "SET", "requirepass", "x")
      connection:call("AUTH", "x")
      connection:call("CLIENT", "KILL", "TYPE", "normal")
    end, "NOAUTH", function(connection)
      connection:call("CONFIG", "SET", "requirepass", "")
    end)
  end)

  it("has too many clients", function()
    trouble({}, function(connection)
      connection:call("CONFIG", "SET", "maxclients", "1")
      connection:call("CLIENT", "KILL", "TYPE", "normal")
    end, "max number of clients", function(connection)
      connection:call("CONFIG", "SET", "maxclients", "100")
    end)
  end)

  it("hangs", function()
    trouble({}, function(_, own)
      own.process:pause()
    end, "no answer within 2 s", function(_, own)
      own.process:continue()
    end)
  end)

  it("is flushed: the next beat is there", function()
    local w = start()
    beats(w, is "idle")
    db:call("FLUSHALL")
    beats(w, is "idle")
    assert.equal(0, (w:stop()))
  end)

  it("is killed twice, and not there at the start", function()
    local own = redis.start()
    own:stop()
    local w = start { store = own }
    w:log "redis at %S+ [^\n]*jobs go on without it"
    for _ = 1, 2 do
      runs(w)
      own:start_again()
      beats(w, is "idle", "a heartbeat", own:client())
      own:stop(signal.SIGKILL)
      runs(w)
    end
    assert.equal(0, (w:stop()))
  end)

  it("gets a wrong password", function()
    local own = redis.start { args = { "--requirepass", "right" } }
    local w = start { config = { redis = { server = own.address, password = "wrong" } } }
    w:log "redis at %S+ WRONGPASS"
    runs(w)
    assert.equal(0, (w:stop()))
    assert.is_nil(w:output():find("wrong", 1, true))
  end)
end)
