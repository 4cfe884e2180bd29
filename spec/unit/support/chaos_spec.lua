--- The judge of the chaos run: what it reads off the wire, and what it finds wrong.
local checker = require "spec.support.chaos.checker"
local model = require "spec.support.chaos.model"
local random = require "spec.support.chaos.random"
local wire = require "spec.support.chaos.wire"

local BODY = '{"job":"short","data":{"n":7}}'

-- Entries of a record on connection 1: { time, what, bytes }.
local function record(entries)
  local lines = {}
  for _, it in ipairs(entries) do
    local size = it[3] and " " .. #it[3] or ""
    table.insert(lines, ("%.6f 1 %s%s\n%s"):format(it[1], it[2], size, it[3] or ""))
  end
  return table.concat(lines)
end

local function reserved(id, body)
  return ("RESERVED %d %d\r\n%s\r\n"):format(id, #body, body)
end

-- Job 7, reserved at 2 by worker 1, run there and deleted; `changes` are entries that come before the end of it all.
local function usual()
  return {
    { 1, "open 1" },
    { 1.1, "up", "watch chaos\r\nreserve-with-timeout 60\r\n" },
    { 1.2, "down", "WATCHING 2\r\n" },
    { 2, "down", reserved(1, BODY) },
    { 3, "up", "delete 1\r\n" },
    { 3.1, "down", "DELETED\r\n" },
    { 9, "close client" },
  }
end

local function read(entries)
  return wire.reservations(wire.connections(record(entries)), model.number_of)
end

-- What the checker has to be told of the usual case.
local function facts(entries)
  local held = read(entries or usual())
  return {
    puts = { [7] = { n = 7, kind = "short", final = "gone", ttr = 2, id = "1" } },
    runs = { { n = 7, slot = 1, pid = 100, parent = 10, start = 2.1, ended = 2.2, outcome = "success" } },
    reservations = held.reservations, strays = held.strays, deeds = {}, left = {}, foreign = 0,
  }
end

-- The same job is run a second time by worker 1, with success, after whatever came first.
local function twice(entries, outcome)
  for i, it in ipairs { { 20, "up", "reserve-with-timeout 60\r\n" }, { 21, "down", reserved(1, BODY) },
    { 23, "up", "delete 1\r\n" }, { 23.1, "down", "DELETED\r\n" } } do
    local text = record { it }:gsub("^(%S+) 1", "%1 2")
    entries.second = (entries.second or i == 1 and "19.0 2 open 1\n" or "") .. text
  end
  local held = wire.reservations(wire.connections(record(entries) .. entries.second), model.number_of)
  local its = facts()
  its.reservations, its.strays = held.reservations, held.strays
  its.runs[1].outcome, its.runs[1].ended = outcome, outcome and 2.2
  its.runs[2] = { n = 7, slot = 1, pid = 101, parent = 11, start = 21.1, ended = 21.2, outcome = "success" }
  return its
end

local function violations(its)
  local list = {}
  for _, it in ipairs(checker.check(its).violations) do
    table.insert(list, it.what)
  end
  table.sort(list)
  return list
end

local function explanations(its)
  local report, list = checker.check(its), {}
  assert.same({}, report.violations)
  for _, it in ipairs(report.explained) do
    table.insert(list, it.what)
  end
  return list
end

describe("the record of the wire", function()
  it("tells who held which job, since when, and what it said of it", function()
    local held = read(usual())
    assert.equal(1, #held.reservations)
    local its = held.reservations[1]
    assert.same({ 7, "1", 1, 2, 3 }, { its.n, its.id, its.slot, its.from, its.over })
    assert.same({ "delete", "DELETED" }, { its.told[1].verb, its.told[1].reply })
    assert.same({}, held.strays)
  end)

  it("is read alike however it was cut into pieces", function()
    local whole = "watch chaos\r\nput 1 0 60 10\r\ndelete 1\r\n\r\nreserve\r\nstats-job 1\r\n"
    local answers = "WATCHING 2\r\nINSERTED 5\r\n" .. reserved(1, "delete 9\r\n") .. "OK 4\r\n---\n\r\n"
    for cut = 1, #whole - 1 do
      local connection = wire.connections(record {
        { 1, "open 1" }, { 2, "up", whole:sub(1, cut) }, { 3, "up", whole:sub(cut + 1) },
        { 4, "down", answers:sub(1, cut) }, { 5, "down", answers:sub(cut + 1) },
      })[1]
      local verbs, replies = {}, {}
      for _, exchange in ipairs(connection.exchanges) do
        table.insert(verbs, exchange.verb)
        table.insert(replies, exchange.reply)
      end
      assert.same({ "watch", "put", "reserve", "stats-job" }, verbs)
      assert.same({ "WATCHING", "INSERTED", "RESERVED", "OK" }, replies)
      assert.equal("delete 9\r\n", connection.exchanges[3].body)
    end
  end)

  it("sees one reservation in a retry, and the renewal in a touch", function()
    local entries = usual()
    entries[5] = { 2.5, "up", "touch 1\r\nbury 1 0\r\nreserve-job 1\r\nrelease 1 0 1\r\n" }
    entries[6] = { 2.6, "down", "TOUCHED\r\nBURIED\r\n" .. reserved(1, BODY) .. "RELEASED\r\n" }
    local held = read(entries)
    assert.equal(1, #held.reservations)
    local its = held.reservations[1]
    assert.same({ 2.5, 2.5, 3 }, { its.renewed, its.over, #its.told }) -- touch, bury, release
  end)

  it("does not take a touch that came too late for a renewal", function()
    local its = read {
      { 1, "open 1" }, { 1.1, "up", "reserve\r\n" }, { 2, "down", reserved(1, BODY) },
      { 3, "up", "touch 1\r\n" }, { 3.3, "up", "reserve-with-timeout 0\r\ntouch 1\r\n" },
      { 5, "down", "NOT_FOUND\r\n" }, { 5.1, "down", reserved(1, BODY) .. "TOUCHED\r\n" },
    }.reservations
    assert.same({ 2, 5, 5.1 }, { its[1].renewed, its[1].over, its[2].renewed })
  end)

  it("sees a verb for what was not reserved there", function()
    local entries = usual()
    entries[5][3] = "delete 2\r\n"
    local its = facts(entries)
    assert.equal(1, #its.strays)
    assert.same({ "verb without a reservation" }, violations(its))
  end)
end)

describe("the checker", function()
  it("is content with a job that was put, run and deleted", function()
    assert.same({}, violations(facts()))
  end)

  it("finds a delete before the run", function()
    local its = facts()
    its.runs[1].start, its.runs[1].ended = 3.2, 3.3
    assert.same({ "delete without success" }, violations(its))
  end)

  it("finds a delete while it runs, and after a failure", function()
    local its = facts()
    its.runs[1].ended = 3.05
    assert.same({ "delete without success" }, violations(its))
    its = facts()
    its.runs[1].outcome = "failed"
    assert.same({ "delete without success", "lost" }, violations(its))
  end)

  it("does not take the success of another worker for this one's", function()
    local its = facts()
    its.runs[1].slot = 2
    assert.same({ "delete without success", "run without a reservation" }, violations(its))
  end)

  it("finds what is lost, left over, never put, or not buried", function()
    local its = facts { { 1, "open 1" } }
    its.runs = {}
    assert.same({ "lost" }, violations(its))
    its = facts()
    its.left[7] = "ready"
    assert.same({ "left over" }, violations(its))
    its = facts()
    its.foreign = 1
    its.runs[2] = { n = 8, slot = 1, pid = 100, parent = 10, start = 5 }
    assert.same({ "unexpected", "unexpected" }, violations(its))
    its = facts()
    its.puts[7].final = "buried"
    assert.same({ "lost" }, violations(its))
  end)

  it("finds a worker that died by itself", function()
    local its = facts()
    its.deeds = { { time = 4, what = "died: killed 11", pid = 10, slot = 1 } }
    assert.same({ "worker died" }, violations(its))
  end)

  it("finds two runs of one reservation", function()
    local its = facts()
    its.runs[2] = { n = 7, slot = 1, pid = 101, parent = 10, start = 2.3, ended = 2.4, outcome = "success" }
    assert.same({ "run without a reservation" }, violations(its))
  end)

  it("finds a job that was begun long after its reservation was over", function()
    local its = facts()
    its.runs[2] = { n = 7, slot = 1, pid = 101, parent = 10, start = 5, ended = 5.1, outcome = "success" }
    assert.same({ "run without a reservation" }, violations(its))
  end)

  it("bears that, when its worker had been stopped", function()
    local entries = usual()
    entries[5], entries[6] = { 3, "close server" }, nil
    entries[7] = nil
    local its = twice(entries, "success")
    its.runs[1].start, its.runs[1].ended = 6, 6.1
    its.deeds = { { time = 1.9, what = "pause worker", pid = 10, slot = 1, seconds = 4 },
      { time = 2.9, what = "restart server" } }
    assert.same({ "server restarted" }, explanations(its))
  end)

  it("finds a job that was buried and never begun", function()
    local entries = usual()
    entries[5], entries[6] = { 3, "up", "bury 1 0\r\n" }, { 3.1, "down", "BURIED\r\n" }
    local its = facts(entries)
    its.runs, its.left[7], its.puts[7].final = {}, "buried", "buried"
    assert.same({ "buried unrun", "lost" }, violations(its))
  end)

  describe("of a job that was given out again", function()
    local function unsettled(closing)
      return { { 1, "open 1" }, { 1.1, "up", "reserve\r\n" }, { 2, "down", reserved(1, BODY) }, closing }
    end
    local function released()
      return { { 1, "open 1" }, { 1.1, "up", "reserve\r\n" }, { 2, "down", reserved(1, BODY) },
        { 3, "up", "release 1 0 1\r\n" }, { 3.1, "down", "RELEASED\r\n" } }
    end

    it("accepts that its handler had failed or released it", function()
      assert.same({ "failed" }, explanations(twice(released(), "failed")))
      assert.same({ "released" }, explanations(twice(released(), "released")))
    end)

    it("accepts that its executor was killed, and finds that it was not", function()
      local its = twice(released(), nil)
      assert.same({ "unexplained repeat" }, violations(its))
      its.deeds = { { time = 2.5, what = "kill executor", pid = 100, slot = 1 } }
      assert.same({ "executor killed or stopped" }, explanations(its))
      its.deeds[1].pid = 101
      its.deeds[1].slot = 2
      assert.same({ "unexplained repeat" }, violations(its))
    end)

    it("finds a release after a success", function()
      assert.same({ "unexplained repeat" }, violations(twice(released(), "success")))
    end)

    it("accepts a cut connection", function()
      assert.same({ "connection cut" }, explanations(twice(unsettled { 3, "close cut" }, "success")))
    end)

    it("accepts a restart of the server, and no other closing by it", function()
      local its = twice(unsettled { 3, "close server" }, "success")
      assert.same({ "unexplained repeat" }, violations(its))
      its.deeds = { { time = 2.9, what = "restart server" } }
      assert.same({ "server restarted" }, explanations(its))
    end)

    it("accepts that its worker closed because it was ended, and not a later one's", function()
      local its = twice(unsettled { 3, "close client" }, "success")
      assert.same({ "unexplained repeat" }, violations(its))
      its.deeds = { { time = 2.9, what = "kill worker", pid = 10, slot = 1 } }
      assert.same({ "worker ended" }, explanations(its))
      its.deeds[1].time = 0.5
      its.deeds[2] = { time = 0.8, what = "start", pid = 11, slot = 1 }
      assert.same({ "unexplained repeat" }, violations(its))
    end)

    it("accepts that nothing passed the connection", function()
      local entries = unsettled { 2.5, "freeze 6" }
      table.insert(entries, { 8.5, "close client" })
      assert.same({ "no reply in time" }, explanations(twice(entries, "success")))
    end)

    it("accepts that it ran out of its TTR while its worker was stopped, and no other expiry", function()
      local its = twice(unsettled { 30, "close client" }, "success")
      assert.same({ "unexplained repeat" }, violations(its))
      its.deeds = { { time = 2.5, what = "pause worker", pid = 10, slot = 1, seconds = 3 } }
      assert.same({ "expired while its worker was stopped" }, explanations(its))
    end)

    it("finds that its reservation still held", function()
      local its = twice(unsettled { 30, "close client" }, "success")
      its.puts[7].ttr = 60
      its.deeds = { { time = 2.5, what = "pause worker", pid = 10, slot = 1, seconds = 3 } }
      assert.same({ "unexplained repeat" }, violations(its))
    end)

    it("accepts that it ran out before the server, which was stopped, came to the delete", function()
      local its = facts {
        { 1, "open 1" }, { 1.1, "up", "reserve\r\n" }, { 2, "down", reserved(1, BODY) },
        { 3, "up", "reserve-with-timeout 0\r\ndelete 1\r\n" },
        { 5, "down", reserved(1, BODY) .. "DELETED\r\n" },
      }
      its.deeds = { { time = 2.5, what = "pause server", seconds = 2.4 } }
      assert.same({ "expired while its server was stopped" }, explanations(its))
    end)

    it("finds that the server had said DELETED", function()
      assert.same({ "unexplained repeat" }, violations(twice(usual(), "success")))
    end)
  end)
end)

describe("the journal", function()
  it("is read into runs, with and without an end", function()
    assert.same({
      { n = 7, server = "s", pid = 100, parent = 10, start = 1.5, ended = 2.5, outcome = "success" },
      { n = 8, server = "s", pid = 100, parent = 10, start = 3.5 },
    }, model.runs("1.5 start 100.1 7 s 100 10 -\n2.5 end 100.1 7 s 100 10 success\n3.5 start 100.2 8 s 100 10 -\n"))
  end)
end)

describe("the seed", function()
  it("decides alone", function()
    local function jobs(seed)
      local numbers, bodies = random.new(seed, 1), {}
      for n = 1, 100 do
        bodies[n] = model.job(n, numbers).body
      end
      return bodies
    end
    assert.same(jobs(3), jobs(3))
    assert.not_same(jobs(3), jobs(4))
  end)
end)
