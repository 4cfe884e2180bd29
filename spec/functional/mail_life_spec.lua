--- Mail that is not sent yet when its worker ends, starts again or reloads; and what mail must not do to Redis.
local fake = require "spec.support.fake"
local logs = require "spec.support.logs"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local smtp = require "spec.support.smtp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local KEY = "lunastalk.mail:worker:critical:ops@example.org"
local STDOUT = { to = "stdout", level = "info" }

local function mail(box, options)
  local sink = { to = "email", level = "critical", server = box.url, address = "ops@example.org", interval = "1h" }
  for key, value in pairs(options or {}) do
    sink[key] = value
  end
  return sink
end

-- Has the handler log a critical record.
local function says(w, who)
  logs.run(w, { who = who, last = 1, level = "critical" })
end

local function exists(db, key)
  wait.eventually(5, function()
    return db:call("EXISTS", key) == 1
  end, key)
end

-- Waits until Redis was asked for what it has so many times.
local function asked(db, times)
  wait.eventually(5, function()
    return tonumber(db:call("INFO", "commandstats"):match "cmdstat_eval:calls=(%d+)") == times
  end, times .. " questions")
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

describe("mail that waits", function()
  it("is sent by a worker that starts again, when the one that shared it has ended", function()
    local box, store = smtp.start(), redis.start()
    local config = { redis = { server = store.address } }
    local w = logs.start({ STDOUT, mail(box, { interval = "2s" }) }, config)
    says(w, "first")
    box:mail(1)
    says(w, "second")
    logs.ends(w)
    assert.equal(1, #box:mails())
    local again = worker.start { dir = w.dir }
    assert.matches("critical says: second 1\n  1 time, ", box:mail(2).body)
    logs.ends(again)
    assert.equal(2, #box:mails())
  end)

  it("goes to whom it was meant for, when a reload brings another address", function()
    local box = smtp.start()
    local w = logs.start { STDOUT, mail(box) }
    says(w, "first")
    box:mail(1)
    says(w, "second")
    logs.reload(w, { STDOUT, mail(box, { address = "new@example.org" }) })
    local second = box:mail(2)
    assert.same({ "ops@example.org" }, second.to)
    assert.matches("critical says: second 1\n  1 time, ", second.body)
    says(w, "third")
    local third = box:mail(3)
    assert.same({ "new@example.org" }, third.to)
    assert.not_matches("second", third.body)
    logs.ends(w)
    assert.equal(3, #box:mails())
  end)

  it("and cannot be sent at the end is counted, and a second signal changes nothing", function()
    local silent = fake.listen()
    local w = logs.start { STDOUT, mail { url = "smtp://" .. silent.address } }
    says(w, "first")
    silent:accept()
    says(w, "second")
    w:kill(signal.SIGTERM)
    w:log "stopped"
    w:kill(signal.SIGTERM)
    assert.equal(0, (w:wait()))
    w:log "warning worker: 2 records for ops@example.org are not mailed: the worker stops workerId="
  end)
end)

describe("mail that waits in Redis", function()
  for what, change in pairs {
    ["another address"] = { address = "new@example.org" },
    ["another level"] = { level = "error" },
    ["no mail any more"] = false,
  } do
    it("is sent at once when a reload brings " .. what, function()
      local box, store = smtp.start(), redis.start()
      local db, config = store:client(), { redis = { server = store.address } }
      local w = logs.start({ STDOUT, mail(box) }, config)
      says(w, "first")
      box:mail(1)
      says(w, "second")
      exists(db, KEY)
      logs.reload(w, { STDOUT, change and mail(box, change) or nil }, config)
      local second = box:mail(2)
      assert.same({ "ops@example.org" }, second.to)
      assert.matches("critical says: second 1\n  1 time, ", second.body)
      if change then
        says(w, "third")
        assert.matches("critical says: third 1\n  1 time, ", box:mail(3).body)
      end
      logs.ends(w)
      assert.equal(change and 3 or 2, #box:mails())
      assert.equal(0, db:call("EXISTS", KEY, KEY .. ":taken"))
    end)
  end

  for what, leave in pairs {
    ["ends"] = logs.ends,
    ["has no mail any more"] = function(w, config) logs.reload(w, { STDOUT }, config) end,
  } do
    it("and is asked for keeps nothing else from being sent when the worker " .. what, function()
      local box, store = smtp.start(), redis.start()
      local db, config = store:client(), { redis = { server = store.address } }
      db:call("HSET", KEY, "others", 1)
      db:call("SET", KEY .. ":sent", 1, "PX", 1500)
      local w = logs.start({ STDOUT, mail(box) }, config)
      asked(db, 1) -- and will again when the mark is gone
      local left = db:call("PTTL", KEY .. ":sent")
      store.process:pause()
      wait.pause(left / 1000 + 0.1)
      says(w, "meanwhile")
      leave(w, config)
      assert.matches("critical says: meanwhile 1\n  1 time, ", box:mail(1).body)
      logs.ends(w)
    end)
  end
end)

describe("an interval that a reload makes shorter", function()
  for what, store in pairs { ["without Redis"] = false, ["with Redis"] = redis.start() } do
    it("holds at once " .. what, function()
      local box = smtp.start()
      local config = store and { redis = { server = store.address } }
      local w = logs.start({ STDOUT, mail(box) }, config)
      says(w, "first")
      box:mail(1)
      says(w, "second")
      if store then
        exists(store:client(), KEY)
      end
      logs.reload(w, { STDOUT, mail(box, { interval = "1s" }) }, config)
      assert.matches("critical says: second 1\n  1 time, ", box:mail(2).body)
      logs.ends(w)
    end)
  end
end)

describe("mail to a server that is to be known by its authority", function()
  it("insists on STARTTLS without a login too", function()
    local box = smtp.start()
    local authority = smtp.start { tls = true }.certificate
    local w = logs.start { STDOUT, mail(box, { ca_file = authority }) }
    says(w, "first")
    w:log "the log to email ops@example.org fails: STARTTLS not supported"
    logs.ends(w)
    assert.equal(0, #box:mails())
  end)
end)

describe("a fault of a mail server", function()
  it("is told once, however long each try took", function()
    local silent = fake.listen()
    local w = logs.start { STDOUT, mail({ url = "smtp://" .. silent.address }, { interval = "1s" }) }
    says(w, "first")
    for _ = 1, 3 do
      silent:accept():close()
    end
    logs.ends(w)
    assert.equal(1, count(w:output(), "Z warning worker: the log to email ops@example.org fails: [^\n]*\n[^\n]*") -
      count(w:output(), "fails: the worker stops"))
  end)
end)

describe("a Redis that refuses what is shared", function()
  it("is left alone for a while, and mail goes on", function()
    local box, store = smtp.start(), redis.start()
    local db = store:client()
    db:call("SET", KEY, "none of yours")
    local w = logs.start({ STDOUT, mail(box, { interval = "2s" }) }, { redis = { server = store.address } })
    for n = 1, 5 do
      says(w, "record " .. n)
    end
    assert.matches("critical says: record 1 1\n  1 time, ", box:mail(1).body)
    assert.matches("critical says: record 2 1\n  4 times, ", box:mail(2).body)
    local calls = tonumber(db:call("INFO", "commandstats"):match "cmdstat_eval:calls=(%d+)")
    assert.is_true(calls <= 2, calls .. " calls")
    logs.ends(w)
  end)
end)
