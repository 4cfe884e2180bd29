--- A list in Redis as a sink of `log:`; sinks with a buffer; sinks that come and go.
local barrier = require "spec.support.barrier"
local jobs = require "spec.support.jobs"
local logs = require "spec.support.logs"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local FILE = { to = "file", level = "notice", format = "json", path = "sink.log" }
local STDOUT = { to = "stdout", level = "warning" }

describe("a list in Redis", function()
  local store = redis.start()
  local db = store:client()

  local function listed(key)
    return logs.parse(table.concat(db:call("LRANGE", key, 0, -1) or {}, "\n"))
  end

  -- A worker whose sink of that key is beside stdout, once it has reached Redis.
  local function start_listed(sink, prefix)
    sink.to, sink.level = "redis", sink.level or "notice"
    local w = logs.start({ sink, STDOUT }, { redis = { server = store.address, prefix = prefix } })
    logs.run(w, { who = "first", last = 1, level = sink.level })
    wait.eventually(10, function()
      return #listed((prefix or "") .. sink.key) > 0
    end, "a record in Redis")
    return w
  end

  it("has the newest `max` records, behind the prefix, with Monolog's names", function()
    local w = start_listed({ key = "newest", max = 10 }, "shop:")
    logs.run(w, { who = "list", last = 50, size = 5 })
    local records
    wait.eventually(10, function()
      records = listed "shop:newest"
      return #records == 10 and records[10].context.n == 50
    end, "the last ten records")
    assert.same(logs.range(41, 50), logs.numbers(records, "list"))
    local last = records[10]
    assert.same({ "list 50", 250, "NOTICE", "says" }, { last.message, last.level, last.level_name, last.channel })
    assert.same({ who = "list", n = 50, text = "xxxxx" }, last.context)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d000%+00:00$", last.datetime)
    assert.matches("_worker1$", last.extra.workerId)
    assert.equal(0, db:call("EXISTS", "newest"))
    logs.ends(w)
  end)

  it("gets what was logged while Redis was away, in order", function()
    local w = start_listed { key = "away" }
    store:stop(signal.SIGKILL)
    for n = 1, 5 do
      logs.run(w, { who = "away", first = 10 * n - 9, last = 10 * n })
    end
    store:start_again()
    db = store:client()
    wait.eventually(10, function()
      return #logs.numbers(listed "away", "away") == 50
    end, "what was kept")
    assert.same(logs.range(1, 50), logs.numbers(listed "away", "away"))
    logs.ends(w)
  end)

  it("lacks the oldest of more than 1 MB, and their number is said", function()
    local w = start_listed { key = "many", level = "error" }
    store:stop(signal.SIGKILL)
    logs.run(w, { who = "many", last = 300, size = 8000, level = "error" })
    store:start_again()
    db = store:client()
    local lost = tonumber((w:log "Z warning worker: (%d+) records for the log to redis many were lost: more came "))
    wait.eventually(10, function()
      return #logs.numbers(listed "many", "many") == 300 - lost
    end, "the newest records")
    assert.same(logs.range(lost + 1, 300), logs.numbers(listed "many", "many"))
    assert.is_true(lost > 150 and lost < 200)
    logs.ends(w)
  end)

  it("that is none is said once, and is one when the key is deleted", function()
    assert(db:call("SET", "text", "mine"))
    local sink = { to = "redis", level = "notice", key = "text" }
    local w = logs.start({ sink, STDOUT }, { redis = { server = store.address } })
    logs.run(w, { who = "text", last = 3 })
    w:log 'Z warning worker: redis at %S+: WRONGTYPE [^\n]*for="log RPUSH"'
    logs.run(w, { who = "text", first = 4, last = 6 })
    assert.equal("mine", db:call("GET", "text"))
    db:call("DEL", "text")
    w:log "the log to redis text works again; 0 records were lost"
    logs.run(w, { who = "text", first = 7, last = 7 })
    logs.ends(w)
    assert.same(logs.range(1, 7), logs.numbers(listed "text", "text"))
    assert.equal(1, logs.count(w:output(), "Z warning [^\n]*s?: WRONGTYPE"))
  end)

  it("has its records counted that were not written, when a reload closes it and when the worker ends", function()
    local w = start_listed { key = "counted", level = "error" }
    store:stop(signal.SIGKILL)
    logs.run(w, { who = "counted", last = 5, level = "error" })
    local config = { redis = { server = store.address } }
    logs.reload(w, { { to = "redis", level = "error", key = "another" }, { to = "stdout", level = "info" } }, config)
    w:log "Z warning worker: 5 records for the log to redis counted were lost: it was closed before "
    logs.run(w, { who = "another", last = 3, level = "error" })
    logs.ends(w)
    assert.matches("\nlunastalk: 3 records for the log to redis another were lost\n", w:output())
    store:start_again()
    db = store:client()
  end)

  it("is nothing without a server", function()
    local w = logs.start { { to = "redis", level = "debug" }, STDOUT }
    logs.run(w, { who = "nowhere", last = 100 })
    logs.ends(w)
    assert.equal("", w:output())
  end)
end)

describe("a sink with buffer: true", function()
  local BUFFERED = { to = "file", level = "warning", buffer = true, format = "json", path = "sink.log" }

  -- The messages in the file at the end of the worker.
  local function messages(w)
    logs.ends(w)
    local found = {}
    for i, record in ipairs(logs.parse(logs.read(w.dir .. "/sink.log"))) do
      found[i] = record.message
    end
    return found
  end

  it("has what was held of the job that failed before its failure, and nothing of others", function()
    local w, door = logs.start({ BUFFERED, { to = "stdout", level = "debug" } }, { executors = 2 }), barrier.new()
    logs.run(w, { who = "well", last = 5, level = "debug" })
    local other = logs.put(w, "says", { who = "other", last = 5, level = "debug", after = door.path })
    w:log "debug says: other 5 "
    logs.fail(w, { who = "fails", last = 3, level = "debug" })
    logs.shows(w.dir .. "/sink.log", "no ink")
    door:open()
    jobs.gone(logs.queue, other)
    assert.same({ "job found", "fails 1", "fails 2", "fails 3", "job failed and was buried: no ink" }, messages(w))
  end)

  it("holds the last 100 records", function()
    local w = logs.start { BUFFERED }
    logs.fail(w, { who = "long", last = 150, level = "debug" })
    local found = messages(w)
    assert.same({ 101, "long 51", "long 150" }, { #found, found[1], found[100] })
    assert.equal("job failed and was buried: no ink", found[101])
  end)

  it("above the level of a failure has that too, each time", function()
    local sink = { to = "file", level = "error", buffer = true, format = "json", path = "sink.log" }
    local w = logs.start { sink }
    for n = 1, 2 do
      local data = { who = "n" .. n, last = 1, level = "debug", fails = true }
      local id = logs.put(w, "says", data, { retry = { max = 3 } })
      jobs.becomes(logs.queue, id, "delayed")
      logs.shows(w.dir .. "/sink.log", "n" .. n .. " 1.*job failed, attempt 1 of 4")
      logs.queue:delete(id)
    end
    assert.equal(6, #messages(w))
  end)

  it("takes an attempt that is tried again for a failure", function()
    local w = logs.start { BUFFERED }
    local id = logs.put(w, "says", { who = "again", last = 1, level = "debug", fails = true }, { retry = { max = 1 } })
    jobs.becomes(logs.queue, id, "delayed")
    logs.queue:delete(id)
    local found = messages(w)
    assert.same({ 3, "job found", "again 1" }, { #found, found[1], found[2] })
    assert.matches("no ink", found[3])
  end)
end)

describe("a reload", function()
  it("adds and removes files, and goes on in the one that stays, without losing a record", function()
    local told = { to = "stdout", level = "info" }
    local w = logs.start { told, FILE }
    local function reload(log, who)
      logs.reload(w, log)
      logs.run(w, { who = who, last = 1 })
    end
    logs.whole_over(w, { "sink.log" }, function()
      reload({ told, { to = "file", level = "notice", path = "added.log" }, FILE }, "added")
      logs.shows(w.dir .. "/added.log", "added 1")
      reload({ told, FILE }, "removed")
      logs.shows(w.dir .. "/sink.log", "removed 1")
    end)
    assert.not_matches("removed 1", temp.read(w.dir .. "/added.log"))
  end)
end)
