--- How many jobs a worker reserves, on how many connections, and how it settles and hands back.
local fake = require "spec.support.fake"
local gate = require "spec.support.gate"
local scripted = require "spec.support.scripted"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local OK, BAD, AGAIN, ASKS = scripted.OK, scripted.BAD, scripted.AGAIN, scripted.ASKS
local WAITS, ASK = "reserve-with-timeout 60", "reserve-with-timeout 0"

-- A worker whose first connection waits for a job.
local function start(options)
  local server, w = scripted.start(options)
  local conn = server:accept()
  conn:serve_setup()
  return server, w, conn
end

-- The next connection, waiting.
local function another(server)
  local conn = server:accept()
  conn:serve_setup()
  assert.equal(WAITS, conn:chunk())
  return conn
end

-- Leaves the connection with one job that runs, before a gate, and one reserve that is not answered.
local function hold(conn, id)
  local door = gate.new()
  conn:give(1, OK)
  assert.equal("delete 1|" .. ASK .. "|" .. ASK, conn:chunk())
  conn:send("DELETED\r\n" .. fake.reserved(id, scripted.at(door)))
  door:wait()
  return door
end

local function ends_well(w)
  assert.equal(0, (w:stop()))
end

describe("the window", function()
  -- Answers as a server that is full of jobs does, until `count` are deleted; returns the largest number of jobs that
  -- were asked for and not settled, and the last piece that came.
  local function drain(conn, count, body_of)
    local given, deleted, outstanding, most = 0, 0, 0, 1
    local answers = {
      reserve = function()
        given, outstanding = given + 1, outstanding + 1
        return fake.reserved(given, body_of(given))
      end,
      delete = function()
        deleted, outstanding = deleted + 1, outstanding - 1
        return "DELETED\r\n"
      end,
      stats = fake.stats_job,
      release = function()
        outstanding = outstanding - 1
        return "RELEASED\r\n"
      end,
    }
    while true do
      local replies, chunk = {}, conn:chunk()
      assert(chunk == WAITS or chunk:find "delete" or not chunk:find "reserve", "a reserve on its own: " .. chunk)
      local asked = false
      local function end_turn()
        assert(outstanding <= 2 * most, "the window more than doubled")
        most, asked = math.max(most, outstanding), false
      end
      for line in chunk:gmatch "[^|]+" do
        local verb = line:match "^%l+"
        if asked and verb == "delete" then
          end_turn() -- the writes of two turns came as one piece: reserves are the end of a turn
        end
        asked = asked or verb == "reserve"
        table.insert(replies, (answers[verb]()))
      end
      end_turn()
      conn:send(table.concat(replies))
      if deleted >= count then
        return most, chunk
      end
    end
  end

  it("doubles up to 128, and a holder asks only in the write of a delete", function()
    local _, w, conn = start()
    local most = drain(conn, 3000, function() return OK end)
    assert.is_true(most > 64 and most <= 128, "at most " .. most)
    w:kill(signal.SIGKILL)
  end)

  it("ends with TIMED_OUT and DEADLINE_SOON, and begins at one again", function()
    local _, w, conn = start()
    for _, nothing in ipairs { "TIMED_OUT", "DEADLINE_SOON" } do
      conn:give(1, OK)
      assert.equal("delete 1|" .. ASK .. "|" .. ASK, conn:chunk())
      conn:send(("DELETED\r\n%s\r\n%s\r\n"):format(nothing, nothing))
      assert.equal(WAITS, conn:chunk())
      conn:expect_silence(0.05)
      conn:send "TIMED_OUT\r\n" -- waits again
    end
    ends_well(w)
  end)

  it("is not filled on a timer, whatever the server says meanwhile", function()
    local _, w, conn = start()
    local door = hold(conn, 2)
    conn:send "DEADLINE_SOON\r\n"
    assert.equal("stats-job 2|touch 2", conn:chunk()) -- after half a second, and that is all
    conn:send(fake.stats_job() .. "TOUCHED\r\n")
    conn:expect_silence(0.5)
    door:open()
    conn:answer("delete 2", "DELETED\r\n")
    assert.equal(WAITS, conn:command())
    ends_well(w)
  end)

  it("is one for jobs of 60 ms", function()
    local _, w, conn = start {
      jobs = { ["nap.lua"] = "local ffi = require 'ffi' ffi.cdef 'int usleep(unsigned);' " ..
        "return function() ffi.C.usleep(60000) end" },
    }
    local most, last = drain(conn, 46, function(id)
      return id > 40 and '{"job":"nap"}' or OK
    end)
    assert.is_true(most > 8, "at most " .. most)
    assert.matches("^delete %d+|reserve%-with%-timeout 0$", last) -- those reserved before were handed back
    w:kill(signal.SIGKILL)
  end)
end)

describe("connections", function()
  it("are at most one more than executors", function()
    local server, w, conn = start { worker = { executors = 2 } }
    local doors = { gate.new(), gate.new() }
    conn:give(1, scripted.at(doors[1]))
    doors[1]:wait()
    local second = another(server)
    second:send(fake.reserved(2, scripted.at(doors[2])))
    doors[2]:wait()
    server:expect_nobody(0.2) -- nobody is free
    doors[1]:open()
    conn:answer("delete 1", "DELETED\r\n")
    while conn:line() ~= WAITS do
      conn:send "TIMED_OUT\r\n"
    end
    server:expect_nobody(0.05)
    -- Three jobs whose executors are free but whose questions are not answered.
    conn:send(fake.reserved(3, BAD))
    assert.equal("stats-job 3", conn:chunk())
    local third = another(server)
    third:send(fake.reserved(4, BAD))
    assert.equal("stats-job 4", third:chunk())
    server:expect_nobody(0.2)
    w:kill(signal.SIGKILL)
  end)

  it("that hang do not hold up the others", function()
    local _, w, conn = start()
    conn:give(1, BAD)
    assert.equal("stats-job 1", conn:chunk()) -- and a second one begins, which the fake never accepts
    conn:expect_silence(0.1)
    conn:send(fake.stats_job())
    conn:answer("bury 1 1024", "BURIED\r\n")
    local since = wait.now()
    conn:give(2, OK)
    conn:answer("delete 2", "DELETED\r\n")
    assert.is_true(wait.now() - since < 3)
    w:kill(signal.SIGKILL)
  end)

  it("that are not needed are closed after ten seconds", function()
    local server, w, conn = start()
    conn:give(1, BAD)
    assert.equal("stats-job 1", conn:chunk())
    local second = another(server)
    conn:send(fake.stats_job())
    conn:answer("bury 1 1024", "BURIED\r\n")
    assert.equal(ASK, conn:line())
    conn:send "TIMED_OUT\r\n"
    local since = wait.now()
    conn:expect_closed(12)
    assert.is_true(wait.now() - since > 9)
    second:send(fake.reserved(2, OK))
    second:answer("delete 2", "DELETED\r\n")
    assert.equal(WAITS, second:command())
    server:expect_nobody(0.05)
    assert.not_matches("no beanstalkd", w:output())
    ends_well(w)
  end)
end)

describe("jobs that wait behind a long one", function()
  it("are released with delay 0 and their priority, and nothing is asked for in their place", function()
    local _, w, conn = start()
    local door = hold(conn, 2)
    conn:send(fake.reserved(3, OK))
    assert.equal("stats-job 3", conn:chunk(2))
    conn:send(fake.stats_job { pri = 77 })
    assert.equal("release 3 77 0", conn:chunk(2))
    conn:send "RELEASED\r\n"
    conn:expect_silence(0.3)
    door:open()
    assert.matches("^delete 2|", conn:chunk())
    conn:send "DELETED\r\n"
    assert.not_matches("job 3", w:output())
    ends_well(w)
  end)

  it("alone on a connection go back by closing it", function()
    local server, w, conn = start()
    conn:give(1, BAD)
    assert.equal("stats-job 1", conn:chunk())
    local second = another(server)
    local door = gate.new()
    conn:send(fake.stats_job())
    assert.equal("bury 1 1024|" .. ASK, conn:lines(2)) -- one more is asked for on the other
    conn:send("BURIED\r\n" .. fake.reserved(2, scripted.at(door)))
    door:wait()
    second:send(fake.reserved(3, OK))
    assert.equal("", second:expect_closed(2))
    server:expect_nobody(0.2)
    assert.not_matches("no beanstalkd", w:output())
    assert.not_matches("job 3", w:output())
    door:open()
    assert.matches("^delete 2|", conn:chunk())
    conn:send "DELETED\r\n"
    ends_well(w)
  end)

  it("are given up when the server no longer has them", function()
    local _, w, conn = start()
    local door = hold(conn, 2)
    conn:send(fake.reserved(3, OK))
    assert.equal("stats-job 3", conn:chunk(2))
    conn:send "NOT_FOUND\r\n"
    w:log "job 3 could not be settled: its reservation was lost"
    door:open()
    conn:answer("delete 2", "DELETED\r\n")
    ends_well(w)
  end)
end)

describe("a job that is reserved again while it runs", function()
  it("runs once and is settled once", function()
    local ran = temp.dir() .. "/ran"
    local _, w, conn = start { jobs = { ["mark.lua"] = ([[
      return function(job)
        local file = io.open(%q, "a")
        file:write "ran\n"
        file:close()
        io.open(job.data.gate):read "*a"
      end
    ]]):format(ran) } }
    local door = gate.new()
    local body = ('{"job":"mark","data":{"gate":"%s"}}'):format(door.path)
    conn:give(1, OK)
    conn:lines(3)
    conn:send("DELETED\r\n" .. fake.reserved(2, body))
    door:wait()
    assert.equal("stats-job 2|touch 2", conn:chunk())
    wait.pause(0.6) -- its TTR, and the server is slow to answer
    conn:send(fake.reserved(2, body))
    w:log "job 2 ran out of its TTR and was reserved again by the same worker; its run goes on"
    conn:send(fake.stats_job() .. "TOUCHED\r\n") -- a TTR of a second would be its time limit too
    door:open()
    conn:answer("delete 2", "DELETED\r\n")
    assert.equal(WAITS, conn:command())
    assert.equal("ran\n", temp.read(ran))
    ends_well(w)
    assert.matches("stopped worker=%S+ jobs=2 errors=0", w:output())
  end)
end)

describe("the answer to a verb", function()
  local verbs = {
    { body = OK, command = "delete 1" },
    { body = BAD, command = "bury 1 5" },
    { body = AGAIN, command = "release 1 5 7" },
  }

  -- Has the verb answered so, sees what is logged, and that the connection goes on: once it stores again, if the job
  -- is lost in the server.
  local function check(verb, answer, pattern, lost)
    local _, w, conn = start()
    conn:give(1, verb.body)
    if verb.body ~= OK then
      conn:answer("stats-job 1", fake.stats_job { pri = 5 })
    end
    conn:answer(verb.command, answer .. "\r\n")
    w:log(pattern)
    if lost then
      w:log "critical worker: beanstalkd at %S+ cannot store %(disk full%?%): it answered %S+ for job 1"
      conn:answer("stats", "OK 4\r\n---\n\r\n")
      conn:answer("use lunastalk.probe", "USING lunastalk.probe\r\n")
      conn:answer "put 0 0 1 2"
      conn:answer("{}", "INSERTED 9\r\n")
      conn:answer("delete 9", "DELETED\r\n")
      conn:answer("stats", "OK 4\r\n---\n\r\n")
      w:log "stores again"
    end
    conn:serve_job(2, OK)
    assert.equal(WAITS, conn:command())
    ends_well(w)
  end

  for _, verb in ipairs(verbs) do
    it("NOT_FOUND to " .. verb.command .. " is said", function()
      check(verb, "NOT_FOUND", "job 1 could not be settled: its reservation was lost")
    end)
    for _, refusal in ipairs { "INTERNAL_ERROR", "OUT_OF_MEMORY" } do
      it(refusal .. " to " .. verb.command .. " is said", function()
        check(verb, refusal, "job 1 could not be settled: the server said " .. refusal, verb.body ~= OK)
      end)
    end
  end

  it("BURIED to a release is said", function()
    check(verbs[3], "BURIED", "error again: job 1 could not be settled: the server said BURIED")
  end)

  it("NOT_FOUND to the question before a bury is said", function()
    local _, w, conn = start()
    conn:give(1, BAD)
    conn:answer("stats-job 1", "NOT_FOUND\r\n")
    w:log "job 1 could not be settled: its reservation was lost"
    conn:serve_job(2, OK)
    ends_well(w)
  end)

  for _, reply in ipairs { "NOT_FOUND\r\n", fake.stats_job() } do
    it(reply:match "%S+" .. " to both questions about a job whose executor dies is borne", function()
      local _, w, conn = start { worker = { tubes = { "a", "b" } } }
      conn:give(1, ASKS)
      assert.equal("stats-job 1", conn:chunk())
      local children = io.open(("/proc/%d/task/%d/children"):format(w.pid, w.pid))
      local executor = tonumber((children:read "*a":match "%d+"))
      children:close()
      signal.kill(executor, signal.SIGKILL)
      assert.equal("stats-job 1", conn:chunk())
      conn:send(reply .. reply)
      if reply == fake.stats_job() then
        conn:answer("bury 1 1024", "BURIED\r\n")
        w:log "job failed and was buried: killed by signal 9"
      else
        w:log "job 1 could not be settled: its reservation was lost"
      end
      conn:serve_job(2, OK)
      ends_well(w)
    end)
  end
end)
