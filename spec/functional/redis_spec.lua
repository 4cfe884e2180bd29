--- Heartbeats, the version key, and that Redis is never in the way of jobs.
local barrier = require "spec.support.barrier"
local cjson = require "cjson"
local observed = require "spec.support.observed"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"

local server, store, db = observed.server, observed.store, observed.db
local start, put, beat, beats, is, runs =
  observed.start, observed.put, observed.beat, observed.beats, observed.is, observed.runs

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

  it("is taken over from a worker that was killed a moment ago", function()
    local killed = start { args = { "--name=phoenix" } }
    beats(killed, is "idle")
    killed:kill(signal.SIGKILL)
    killed:wait()
    local w = start { args = { "--name=phoenix" } }
    local first = beats(w, function(told) return told.pid == w.pid end)
    beats(w, function(told) return told.runtime > first.runtime end) -- a second of beats
    assert.not_matches("another worker has the id", w:output())
    assert.equal(0, (w:stop()))
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
    w:log "reloaded: %d+ handlers"
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
    w:log "reloaded: %d+ handlers"
    beats(w, function(told) return told.version == "new" end)
    assert.equal(0, (w:stop()))
  end)

  it("that could not be read when the handlers were loaded is a change", function()
    local own = redis.start()
    local connection = own:client()
    connection:call("SET", "worker_version", "of today")
    own.process:pause()
    local w = start { store = own }
    w:log "no answer within 2 s"
    own.process:continue()
    beats(w, function(told) return told.version == "of today" end, "the version", connection)
    w:log "reloaded: %d+ handlers"
    assert.equal(0, (w:stop()))
  end)

  it("may change a thousand times in a row: the newest runs", function()
    local w = start()
    beats(w, is "idle")
    for i = 1, 1000 do
      db:call("SET", "worker_version", "v" .. i)
    end
    beats(w, function(told) return told.version == "v1000" end)
    runs(w)
    assert.equal(0, (w:stop()))
  end)

  it("shows what runs and what was refused, when one comes while another loads", function()
    local w, closed, begun = start(), barrier.new(), temp.dir() .. "/begun"
    beats(w, is "idle")
    temp.write(w.dir .. "/jobs/slow.lua",
      ("io.open('%s', 'w'):close() io.open('%s'):read(1) return function() end"):format(begun, closed.path))
    db:call("SET", "worker_version", "v1")
    wait.eventually(10, function()
      return stat.stat(begun)
    end, "the loading")
    temp.write(w.dir .. "/config.yml", "jobs: [")
    db:call("SET", "worker_version", "v2")
    local told = beats(w, function(told) return told.refused == "v2" end)
    assert.same({ "", true }, { told.version, told.reload_error:find "config.yml:" ~= nil })
    closed:open()
    told = beats(w, function(later) return later.version == "v1" end)
    assert.same({ "v2", true }, { told.refused, told.reload_error:find "config.yml:" ~= nil })
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
    if options.still_answers then
      observed.refused(connection, 8)
    end
    assert.not_matches("is well again", w:output())
    heal(connection, own)
    w:log("redis at %S+ is well again", 10)
    local _, warnings = w:output():gsub("redis at [^\n]*jobs go on", "")
    assert.equal(1, warnings)
    wait.eventually(10, function()
      return connection:call("XLEN", "lunastalk.failed") == 1
    end, "the failure that was kept")
    assert.equal(0, (w:stop()))
  end

  it("refuses to write: READONLY", function()
    trouble({ still_answers = true }, function(connection)
      connection:call("REPLICAOF", "127.0.0.1", "1")
    end, "READONLY", function(connection)
      connection:call("REPLICAOF", "NO", "ONE")
    end)
  end)

  it("has no memory: OOM", function()
    trouble({ still_answers = true }, function(connection)
      connection:call("CONFIG", "SET", "maxmemory", "1")
    end, "OOM", function(connection)
      connection:call("CONFIG", "SET", "maxmemory", "0")
    end)
  end)

  it("has too few replicas: NOREPLICAS", function()
    trouble({ still_answers = true }, function(connection)
      connection:call("CONFIG", "SET", "min-replicas-to-write", "1")
    end, "NOREPLICAS", function(connection)
      connection:call("CONFIG", "SET", "min-replicas-to-write", "0")
    end)
  end)

  it("in two ways is one warning for each, and one notice", function()
    local own = redis.start()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    connection:call("HSET", "worker_version", "a", "b")
    connection:call("CONFIG", "SET", "maxmemory", "1")
    observed.refused(connection, 10)
    connection:call("CONFIG", "SET", "maxmemory", "0")
    beats(w, function(told) return told.timestamp >= os.time() - 1 end, "a heartbeat", connection)
    assert.not_matches("is well again", w:output())
    connection:call("DEL", "worker_version")
    w:log "is well again"
    local _, warnings = w:output():gsub("redis at [^\n]*jobs go on", "")
    assert.equal(2, warnings)
    assert.equal(0, (w:stop()))
  end)

  it("cannot store: MISCONF", function()
    trouble({ still_answers = true, args = { "--save", "3600 1" } }, function(connection, own)
      unistd.rmdir(own.dir)
      connection:call "BGSAVE"
      wait.eventually(10, function()
        return connection:call("INFO", "persistence"):find "rdb_last_bgsave_status:err"
      end, "the failure to save")
    end, "MISCONF", function(connection)
      connection:call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    end)
  end)

  it("loads what it has stored: LOADING", function()
    local own = redis.start { args = { "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024" } }
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    for i = 1, 3000 do
      connection:call("SET", "key" .. i, ("x"):rep(100))
    end
    connection:call "SAVE"
    own:stop(signal.SIGKILL)
    w:log "redis at [^\n]*jobs go on without it"
    own:start_again()
    runs(w)
    w:log("redis at %S+ is well again", 20)
    assert.equal(0, (w:stop()))
  end)

  it("is slow: nothing is said, and all is told in the end", function()
    local own = redis.start()
    local connection = own:client()
    local w = start { store = own }
    beats(w, is "idle", "a heartbeat", connection)
    connection:call("CLIENT", "PAUSE", "1500")
    put(w, "bad")
    runs(w)
    beats(w, function(told) return told.jobs == 2 end, "a heartbeat", connection)
    assert.equal(1, connection:call("XLEN", "lunastalk.failed"))
    assert.not_matches("redis at", w:output())
    assert.equal(0, (w:stop()))
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
