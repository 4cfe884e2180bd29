--- The test ground itself: what the other specs stand on.
local beanstalkd = require "spec.support.beanstalkd"
local client = require "spec.support.client"
local fake = require "spec.support.fake"
local process = require "spec.support.process"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

describe("process", function()
  it("tells exit code, output and errors", function()
    local code, output, errors = process.run { "sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.same({ 3, "out\n", "err\n" }, { code, output, errors })
  end)

  it("tells the signal that killed it", function()
    local code, _, _, killed = process.run { "sh", "-c", "kill -9 $$" }
    assert.is_nil(code)
    assert.equal(signal.SIGKILL, killed)
  end)

  it("says why a program cannot be started", function()
    local code, _, errors = process.run { "/no/such/program" }
    assert.equal(127, code)
    assert.matches("No such file", errors)
  end)

  it("passes directory, environment and stdin, and no descriptor", function()
    local dir = temp.dir()
    local code, output = process.run({ "sh", "-c", "pwd; echo $A-$HOME; cat; ls /proc/self/fd | wc -l" },
      { cwd = dir, env = { A = "a", HOME = false }, stdin = "in\n" })
    assert.equal(0, code)
    assert.equal(dir .. "\na-\nin\n4\n", output) -- 0, 1, 2 and the directory that ls reads
  end)

  it("waits for output and returns its captures", function()
    local child = process.spawn { "sh", "-c", "echo one 1" }
    assert.equal("1", child:expect("one (%d)"))
    assert.has_error(function() child:expect("never", 5) end)
  end)

  it("does not wait longer than told", function()
    local child = process.spawn { "tail", "-f", "/dev/null" }
    local before = wait.now()
    local ok, problem = pcall(child.wait, child, 0.05)
    assert.is_false(ok)
    assert.matches("not within 0.05 s", problem)
    assert.is_true(wait.now() - before < 2)
    child:pause()
    child:continue()
    assert.same({ nil, signal.SIGTERM }, { child:stop() })
  end)

  it("kills the whole group", function()
    local child = process.spawn { "sh", "-c", "tail -f /dev/null & echo $!; wait" }
    local grandchild = tonumber(child:expect "(%d+)\n")
    child:destroy()
    wait.eventually(5, function() return not process.state(grandchild) end, "the end of the grandchild")
  end)
end)

describe("beanstalkd and client", function()
  it("put, reserve, bury, kick, delete", function()
    local c = beanstalkd.start({ max_job_size = 100 }):client()
    local id = assert(c:put("hello", { tube = "t", priority = 7 }))
    assert.same({ "t", 7, "ready" }, { c:stats_job(id).tube, c:stats_job(id).pri, c:stats_job(id).state })
    assert.equal("hello", c:peek(id))
    c:watch "t"
    assert.same({ id, "hello" }, { c:reserve() })
    assert.truthy(c:bury(id))
    assert.same({ ready = 0, reserved = 0, delayed = 0, buried = 1 }, c:jobs "t")
    assert.same({ id, "hello" }, { c:peek_state("buried", "t") })
    assert.equal(1, c:kick(10, "t"))
    assert.truthy(c:delete(id))
    assert.same({ nil, "NOT_FOUND" }, { c:delete(id) })
    assert.same({ nil, "TIMED_OUT" }, { c:reserve() })
    assert.same({ nil, "JOB_TOO_BIG" }, { c:put(("x"):rep(101)) })
    assert.same({ "default", "t" }, c:list_tubes())
    assert.matches("^1%.", c:stats().version)
    assert.equal(0, c:jobs("nowhere").ready)
  end)

  it("keeps jobs in the binlog over a restart on the same port", function()
    local server = beanstalkd.start { binlog = true }
    local id = server:client():put "kept"
    server:stop()
    assert.is_nil(client.connect(server.address))
    server:start_again()
    assert.equal("kept", server:client():peek(id))
  end)

  it("listens on a unix socket", function()
    assert.truthy(beanstalkd.start({ unix = true }):client():put "")
  end)
end)

describe("fake", function()
  local server = fake.listen()

  local function pair()
    local c = client.connect(server.address)
    return c, server:accept()
  end

  it("is driven step by step", function()
    local c, conn = pair()
    c:send "watch a\r\nignore default\r\nstats\r\nreserve-with-timeout 5\r\n"
    assert.same({ "watch a", "ignore default", "stats" }, conn:serve_setup { version = "1.13" })
    assert.equal("5", conn:expect_line "^reserve%-with%-timeout (%d+)$")
    conn:expect_silence(0.02)
    assert.same({ "WATCHING 1", "WATCHING 1" }, { c:line(), c:line() })
    assert.matches("^OK %d+$", c:line())
    assert.has_error(function() conn:expect_line("reserve", 0.02) end)
  end)

  it("drips, closes and resets", function()
    local c, conn = pair()
    conn:drip "HELLO\r\n"
    assert.equal("HELLO", c:line())
    conn:close()
    assert.equal("closed", select(2, c.socket:receive "*l"))
    c, conn = pair()
    c:send "put 1 2 3 4\r\nbody\r\n"
    assert.matches("^put", conn:line())
    assert.equal("body\r\n", conn:bytes(6))
    conn:reset()
    assert.has_error(function() c:line() end)
    c, conn = pair()
    c:close()
    conn:expect_closed()
  end)
end)
