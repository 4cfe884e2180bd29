--- Connections that end, at any byte; servers that say nothing, are too old, or come back as others.
local beanstalkd = require "spec.support.beanstalkd"
local fake = require "spec.support.fake"
local gate = require "spec.support.gate"
local process = require "spec.support.process"
local scripted = require "spec.support.scripted"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local OK, BAD = scripted.OK, scripted.BAD
local SETUP = "WATCHING 1\r\nOK 22\r\nversion: 1.12\nid: abc\n\r\n"
local DEBUG = { "--log-level=debug" }

-- The server's part of a session, to be cut anywhere.
local ANSWERS = { SETUP, fake.reserved(9, OK), "DELETED\r\n" }

-- Plays ANSWERS up to byte `cut`, in the steps in which the worker speaks, and ends the connection.
local function play(conn, cut, ending)
  local said = { { "watch default", "stats" }, { "reserve-with-timeout 60" }, { "delete 9" } }
  for i, answer in ipairs(ANSWERS) do
    for _, line in ipairs(said[i]) do
      assert.equal(line, conn:line())
    end
    conn:send(answer:sub(1, cut))
    cut = cut - #answer
    if cut < 0 then
      break
    end
  end
  conn[ending](conn)
end

describe("a connection that ends", function()
  local LAST = #table.concat(ANSWERS) - 1
  local SIDE_BY_SIDE = 6 -- workers, so that their delays pass together

  local function work(conn, id)
    assert.equal("watch default|stats", conn:chunk()) -- and no verb of the job before
    conn:send(SETUP)
    assert.equal("reserve-with-timeout 60", conn:chunk())
    conn:send(fake.reserved(id, OK))
    conn:answer("delete " .. id)
    conn:close()
  end

  for ending, what in pairs { close = "closed", reset = "reset" } do
    it("is followed by another, whatever the byte after which it was " .. what, function()
      local servers, workers = {}, {}
      for i = 1, SIDE_BY_SIDE do
        servers[i], workers[i] = scripted.start()
      end
      for first = 0, LAST, SIDE_BY_SIDE do
        for i, server in ipairs(servers) do
          play(server:accept(), math.min(first + i - 1, LAST), ending)
        end
        for _, server in ipairs(servers) do
          work(server:accept(), first + 100)
        end
      end
      for _, w in ipairs(workers) do
        assert.equal(0, (w:stop()))
        assert.matches("job 9: the connection went before the server answered", w:output())
      end
    end)
  end

  it("is not taken for another one by a job that ran meanwhile", function()
    local server, w = scripted.start()
    local door = gate.new()
    local conn = server:accept()
    conn:serve_setup()
    conn:give(1, scripted.at(door))
    door:wait()
    conn:close()
    w:log "job 1 lost its reservation while it ran: closed by the server"
    door:open()
    conn = server:accept()
    assert.equal("watch default|stats", conn:lines(2))
    conn:send(SETUP)
    conn:give(1, OK) -- the id of a restarted server
    conn:answer("delete 1", "DELETED\r\n")
    conn:command()
    assert.equal(0, (w:stop()))
    conn:expect_closed()
  end)

  it("makes the worker wait longer each time", function()
    local server, w = scripted.start()
    for _ = 1, 6 do
      server:accept():close()
    end
    local longest = 0
    for delay in w:output():gmatch "next try in ([%d.]+) s" do
      longest = math.max(longest, tonumber(delay))
    end
    assert.is_true(longest >= 0.16 and longest <= 3.2, "longest delay " .. longest)
    w:stop()
  end)

  it("makes it wait longer also when each time only the set-up works", function()
    local server, w = scripted.start()
    for _ = 1, 6 do
      local conn = server:accept()
      conn:serve_setup()
      conn:command()
      conn:send "DEADLINE_SOON\r\n" -- to one that holds nothing
      conn:expect_closed()
    end
    wait.eventually(5, function()
      return select(2, w:output():gsub("DEADLINE_SOON; next try", "")) == 6
    end, "six records")
    assert.is_true(tonumber(w:output():match ".*next try in ([%d.]+) s") > 0.3)
    w:stop()
  end)
end)

describe("a server that says nothing", function()
  -- All at once: each is left when its time is over.
  local silences = {
    ["to the set-up"] = { limit = 5, reach = function() end },
    ["to reserve"] = { limit = 6, reach = function(conn)
      conn:serve_setup()
      conn:expect_line "^reserve%-with%-timeout 1$"
    end },
    ["of the body it announced"] = { limit = 6, reach = function(conn)
      conn:serve_setup()
      conn:expect_line "^reserve%-with%-timeout 1$"
      conn:send "RESERVED 3 1000\r\n{"
    end },
    ["to delete"] = { limit = 5, unknown = true, reach = function(conn)
      conn:serve_setup()
      conn:give(3, OK)
      conn:expect_line "^delete 3$"
    end },
    ["to stats-job"] = { limit = 5, reach = function(conn)
      conn:serve_setup()
      conn:give(3, BAD)
      conn:expect_line "^stats%-job 3$"
    end },
  }
  for _, silence in pairs(silences) do
    silence.server, silence.worker = scripted.start { reserve_timeout = "1s" }
    silence.conn = silence.server:accept()
    silence.reach(silence.conn)
    silence.since = wait.now()
  end

  for name, silence in pairs(silences) do
    it(name .. " is left in time", function()
      local w = silence.worker
      w:log("no reply in time; next try in", 10)
      silence.conn:expect_closed(1)
      local passed = wait.now() - silence.since
      assert.is_true(passed > silence.limit - 0.5, name .. ": " .. passed)
      local _, unknown = w:output():gsub("job 3: the connection went before the server answered", "")
      assert.equal(silence.unknown and 1 or 0, unknown)
      w:stop()
    end)
  end
end)

describe("the set-up", function()
  it("watches the tubes and ignores default, in one write", function()
    local server, w = scripted.start { worker = { tubes = { "a", "b" } } }
    local conn = server:accept()
    assert.equal("watch a|watch b|ignore default|stats", conn:chunk())
    conn:send("WATCHING 2\r\nWATCHING 3\r\nWATCHING 2\r\n" .. fake.stats())
    assert.equal("reserve-with-timeout 60", conn:chunk())
    w:stop()
  end)

  it("does not ignore default where it is named", function()
    local server, w = scripted.start { worker = { tubes = { "default", "b" } } }
    assert.equal("watch default|watch b|stats", server:accept():chunk())
    w:stop()
  end)

  it("refuses an old version, and asks again later", function()
    local server, w = scripted.start()
    local conn = server:accept()
    conn:serve_setup { version = "1.11" }
    w:log "beanstalkd 1%.11 is too old: 1%.12 or later is needed; next try in"
    conn:expect_closed()
    for _, version in ipairs { "1.12", "1.13+dirty", "2.0", "unknown" } do
      conn = server:accept()
      conn:serve_setup { version = version }
      conn:serve_job(1, OK)
      conn:command()
      conn:close()
    end
    w:stop()
  end)

  it("notices that the server is another one, and says once that it has no binlog", function()
    local server, w = scripted.start()
    for _, id in ipairs { "one", "one", "two", "two" } do
      local conn = server:accept()
      conn:serve_setup { id = id }
      conn:serve_job(1, OK)
      conn:command()
      conn:close()
    end
    server:accept()
    local text = w:output()
    assert.equal(1, (select(2, text:gsub("was restarted", ""))))
    assert.equal(1, (select(2, text:gsub("runs without %-b", ""))))
    assert.equal(4, (select(2, text:gsub("connected to beanstalkd", ""))))
    w:stop()
  end)
end)

describe("SIGTERM", function()
  local function waiting()
    local server, w = scripted.start { args = DEBUG }
    local conn = server:accept()
    conn:serve_setup()
    return w, conn
  end

  it("closes a connection that waits at once", function()
    local w, conn = waiting()
    conn:command()
    w:kill()
    conn:expect_closed(1)
    assert.equal(0, (w:wait()))
  end)

  it("closes it between RESERVED and the body", function()
    local w, conn = waiting()
    conn:command()
    conn:send "RESERVED 1 12\r\n{\"job"
    w:kill()
    conn:expect_closed(1)
    assert.equal(0, (w:wait()))
    assert.matches("jobs=0", w:output())
  end)

  it("waits for the reply to a delete", function()
    local w, conn = waiting()
    conn:give(1, OK)
    assert.equal("delete 1|reserve-with-timeout 0", conn:lines(2))
    conn:lines(1)
    w:kill()
    w:log "stopping: Terminated"
    conn:expect_silence(0.2)
    assert.is_true(w:running())
    conn:send "DELETED\r\n"
    conn:expect_closed(1)
    assert.equal(0, (w:wait()))
    assert.not_matches("before the server answered", w:output())
  end)

  it("gives back what comes in answer to an earlier reserve", function()
    local w, conn = waiting()
    conn:give(1, OK)
    conn:lines(3)
    w:kill()
    w:log "stopping: Terminated"
    conn:send("DELETED\r\n" .. fake.reserved(2, OK))
    conn:expect_closed(1) -- which puts it back
    assert.equal(0, (w:wait()))
    assert.matches("stopped worker=%S+ jobs=1 ", w:output())
  end)

  it("does not wait longer than 5 s for that reply", function()
    local w, conn = waiting()
    conn:give(1, OK)
    conn:lines(3)
    w:kill()
    conn:expect_closed(7)
    assert.equal(0, (w:wait()))
    assert.matches("job 1: the connection went before the server answered", w:output())
  end)
end)

describe("a command", function()
  local commands = {
    stats = { "stats" },
    put = { "put", "ok" },
    peek = { "peek", "default" },
    ["peek --id"] = { "peek", "--id", "1" },
    kick = { "kick", "default" },
    delete = { "delete", "--id", "1" },
  }

  local function spawn(server, arguments)
    local argv = { worker.built "lunastalk", unpack(arguments) }
    table.insert(argv, "--beanstalkd=" .. server.address)
    return process.spawn(argv, { cwd = temp.dir(), apart = true })
  end

  local function fails(child, pattern, seconds)
    local code = child:wait(seconds)
    assert.equal(69, code)
    assert.equal("", child:output())
    assert.matches("^lunastalk %l+: 127%.0%.0%.1:%d+: [^\n]*" .. pattern .. "[^\n]*\n$", child:errors())
  end

  it("gives a silent server five seconds", function()
    local children, since = {}, wait.now()
    for name, arguments in pairs(commands) do
      children[name] = spawn(fake.listen(), arguments)
    end
    for _, child in pairs(children) do
      fails(child, "no reply in time", 8)
    end
    assert.is_true(wait.now() - since > 4.5)
  end)

  for name, arguments in pairs(commands) do
    it(name .. " names the trouble with a server that is none", function()
      local server = fake.listen()
      local endings = {
        ["an answer that is not beanstalkd's"] = function(conn) conn:send "SSH-2.0-OpenSSH_9.2\r\n" end,
        ["closed by the server"] = function(conn) conn:close() end,
        ["reset"] = function(conn) conn:reset() end,
        ["UNKNOWN_COMMAND"] = function(conn) conn:send "UNKNOWN_COMMAND\r\n" end,
      }
      for pattern, act in pairs(endings) do
        local child = spawn(server, arguments)
        local conn = server:accept()
        conn:expect_line "^stats$"
        act(conn)
        fails(child, pattern)
      end
    end)

    it(name .. " names the trouble when it comes later", function()
      local server = fake.listen()
      local child = spawn(server, arguments)
      local conn = server:accept()
      conn:answer("stats", fake.stats())
      conn:line()
      conn:send "RESERVED\r\n"
      fails(child, "an answer that is not beanstalkd's")
    end)
  end

  it("bears drips", function()
    local server = fake.listen()
    local child = spawn(server, commands["peek --id"])
    local conn = server:accept()
    conn:expect_line "^stats$"
    conn:drip(fake.stats())
    conn:expect_line "^peek 1$"
    conn:drip('FOUND 1 12\r\n{"job":"ok"}\r\n')
    conn:expect_line "^stats%-job 1$"
    conn:drip(fake.stats_job())
    conn:expect_closed()
    assert.equal(0, (child:wait()))
    assert.matches('"job": "ok"', child:output())
  end)
end)

describe("a beanstalkd that is killed during a drain", function()
  local JOBS = 3000

  -- How often each job has run, and of how many that is known.
  local function runs(path)
    local times, known = {}, 0
    for id in temp.read(path):gmatch "%d+" do
      known = known + (times[id] and 0 or 1)
      times[id] = (times[id] or 0) + 1
    end
    return times, known
  end

  it("comes back with its binlog: each job runs, and twice only those that the log names", function()
    local server = beanstalkd.start { binlog = true, fsync_ms = 50 } -- what it wrote outlives it
    local lines = ('{"job":"note"}\n'):rep(JOBS)
    assert.equal(0, (worker.lunastalk("put", "--from", "-", "--beanstalkd", server.address, { stdin = lines })))
    local file = temp.write(temp.dir() .. "/runs", "")
    local w = worker.start { server = server, jobs = { ["note.lua"] = ([[
      local file = io.open(%q, "a")
      return function(job)
        file:write(job.id, "\n")
        file:flush()
      end
    ]]):format(file) } }
    for kill = 1, 3 do
      wait.eventually(20, function()
        return select(2, runs(file)) > kill * JOBS / 5
      end, "progress")
      server:stop(signal.SIGKILL)
      w:log("no beanstalkd at", 10, w:mark())
      server:start_again()
    end
    local client = server:client()
    wait.eventually(30, function()
      local jobs = client:jobs()
      return jobs.ready + jobs.reserved + jobs.delayed + jobs.buried == 0
    end, "an empty queue")
    assert.equal(0, (w:stop()))
    local times, known = runs(file)
    assert.equal(JOBS, known)
    for id, count in pairs(times) do
      assert(count == 1 or w:output():find("job " .. id .. "[: ]"), "job " .. id .. " ran twice and nobody said why")
    end
  end)
end)
