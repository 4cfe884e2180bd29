--- What the workers of a pool share of their mail, when Redis, the mail server or a worker is away at times.
local beanstalkd = require "spec.support.beanstalkd"
local logs = require "spec.support.logs"
local redis = require "spec.support.redis"
local smtp = require "spec.support.smtp"
local wait = require "spec.support.wait"

local KEY = "lunastalk.mail:worker:critical:ops@example.org"
local MAIL = { to = "email", level = "critical", address = "ops@example.org", interval = "2s" }

-- A worker that mails there, once it has asked Redis for what another one left.
local function start(store, url, number)
  local sink = { server = url }
  for key, value in pairs(MAIL) do
    sink[key] = value
  end
  local w = logs.start({ { to = "stdout", level = "info" }, sink }, { redis = { server = store.address } }, { number })
  local db = store:client()
  wait.eventually(10, function()
    return tonumber(db:call("INFO", "commandstats"):match "cmdstat_eval:calls=(%d+)") == number
  end, "a question")
  return w
end

-- Has the handler log a critical record.
local function says(w, who)
  logs.run(w, { who = who, last = 1, level = "critical" })
end

local function exists(db, key)
  wait.eventually(5, function() return db:call("EXISTS", key) == 1 end, key)
end

describe("what is shared", function()
  it("is not forgotten when other mail is sent while Redis is away", function()
    local box, store = smtp.start(), redis.start()
    local db, w = store:client(), start(store, box.url, 1)
    says(w, "first")
    box:mail(1)
    says(w, "second")
    exists(db, KEY)
    db:call("CONFIG", "SET", "requirepass", "x")
    db:call("AUTH", "x")
    db:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    w:log "the connection to redis at %S+ is lost"
    says(w, "third")
    assert.matches("critical says: third 1\n  1 time, ", box:mail(2).body)
    db:call("CONFIG", "SET", "requirepass", "")
    assert.matches("critical says: second 1\n  1 time, ", box:mail(3).body)
    logs.ends(w)
  end)

  it("is not lost when Redis gives it to a connection that is gone", function()
    local box, store = smtp.start(), redis.start()
    local db, w = store:client(), start(store, box.url, 1)
    db:call("HSET", KEY, "others", 7)
    store.process:pause()
    says(w, "first")
    assert.matches("critical says: first 1\n  1 time, ", box:mail(1).body)
    store.process:continue()
    exists(db, KEY .. ":taken")
    assert.equal(0, db:call("EXISTS", KEY))
    assert.matches("\n7 more records of other kinds\n", box:mail(2, 20).body)
    logs.ends(w)
    assert.equal(0, db:call("EXISTS", KEY .. ":taken"))
  end)

  it("is known to be of several workers when the first mail of it was refused", function()
    local port, store = beanstalkd.free_port(), redis.start()
    local db, url = store:client(), "smtp://127.0.0.1:" .. port
    db:call("SET", KEY .. ":sent", 1)
    local one, other = start(store, url, 1), start(store, url, 2)
    says(one, "full")
    exists(db, KEY)
    says(other, "full")
    wait.eventually(5, function()
      local field, group = next(db:hash(KEY))
      return field and group:find '"count":2,'
    end, "what both said")
    db:call("DEL", KEY .. ":sent")
    says(other, "full")
    other:log "the log to email ops@example.org fails: "
    local body = smtp.start({ port = port }):mail(1).body
    assert.matches("^critical says: full 1\n  3 times, %S+ to %S+, from 2 workers\n", body)
    logs.ends(one)
    logs.ends(other)
  end)
end)
