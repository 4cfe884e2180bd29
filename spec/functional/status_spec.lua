-- `lunastalk status` and the commands' connection to Redis, with heartbeats written by hand.
local cjson = require "cjson"
local fake = require "spec.support.fake"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local utsname = require "posix.sys.utsname"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local dir = temp.dir()
local server = redis.start()
local client = server:client()
local host = utsname.uname().nodename

local function beat(changes)
  local fields = {
    timestamp = os.time(), status = "idle", workerId = "w", instanceHash = "0", jobs = 10, errors = 1, host = "web9",
    pid = 17, version = "v7", every = 1, rate = 2.5, executors = { { [1] = nil } },
  }
  for name, value in pairs(changes or {}) do
    fields[name] = value
  end
  return cjson.encode(fields)
end

local function set(id, changes)
  assert(client:call("HSET", "workers.heartbeat", id, type(changes) == "string" and changes or beat(changes)))
end

local function status(...)
  local arguments = { "--redis", server.address, ... }
  local options = type(arguments[#arguments]) == "table" and table.remove(arguments) or {}
  options.cwd = options.cwd or dir
  table.insert(arguments, options)
  return worker.lunastalk("status", unpack(arguments))
end

local function shows(...)
  local code, output, errors = status(...)
  assert.same({ 0, "" }, { code, errors })
  return output
end

-- The columns of the worker's line.
local function row(output, id)
  local columns = {}
  for cell in (output:match("\n(" .. id .. "  [^\n]*)") or ""):gsub("  +", "\0"):gmatch "[^%z]+" do
    table.insert(columns, cell)
  end
  return columns
end

describe("status", function()
  before_each(function()
    client:call "FLUSHALL"
  end)

  it("says where it looked when there is no heartbeat", function()
    assert.equal(("no heartbeats (workers.heartbeat at %s): no worker ran with this Redis\n"):format(server.address),
      shows())
  end)

  it("shows a line per worker and the totals", function()
    set("b_worker2", {})
    set("a_worker1", {
      status = "processing_job_resize", jobs = 5, errors = 0, rate = 0.5,
      executors = {
        { job = "resize", server = "x", id = "18", since = os.time() - 5 },
        { job = "send_email", server = "x", id = "17", since = os.time() - 125, progress = 0.4 },
      },
    })
    local output = shows()
    local a, b = row(output, "a_worker1"), row(output, "b_worker2")
    assert.same({ "a_worker1", "web9", "17", "v7", "busy" }, { unpack(a, 1, 5) })
    assert.matches("^send_email 17, 2 min [5-9] s, 40 %% and 1 more$", a[6])
    assert.same({ "5", "0", "0.5" }, { unpack(a, 7, 9) })
    assert.matches("^[0-2] s ago$", a[10])
    assert.same({ "idle", "-", "10", "1", "2.5" }, { unpack(b, 5, 9) })
    assert.matches("\n2 workers: 1 idle, 1 busy; 15 jobs, 1 errors, 3.0 jobs/s\n$", output)
    assert.is_true(output:find "a_worker1" < output:find "b_worker2")
  end)

  it("reads what the talk's own worker writes", function()
    set("php_1", cjson.encode {
      timestamp = os.time(), status = "processing_job_send_email", workerId = "php_1", instanceHash = "x", jobs = 3,
      errors = 0,
    })
    local columns = row(shows(), "php_1")
    assert.same({ "php_1", "-", "-", "-", "busy", "send_email", "3", "0", "-" }, { unpack(columns, 1, 9) })
  end)

  it("tells stale, crashed and stopped apart", function()
    local ended = process.spawn { "true" }
    ended:wait()
    set("beats", { timestamp = os.time() - 2 })
    set("slow", { timestamp = os.time() - 20, every = 10 })
    set("stale", { timestamp = os.time() - 10 })
    set("hung", { timestamp = os.time() - 10, host = host, pid = unistd.getpid() })
    set("killed", { timestamp = os.time() - 10, host = host, pid = ended.pid })
    set("lost", { timestamp = os.time() - 70 })
    set("stopped", { timestamp = os.time() - 1000, status = "stopped" })
    set("stopping", { status = "stopping" })
    local output = shows()
    local states = {}
    for _, id in ipairs { "beats", "slow", "stale", "hung", "killed", "lost", "stopped", "stopping" } do
      states[id] = row(output, id)[5]
    end
    assert.same({
      beats = "idle", slow = "idle", stale = "stale", hung = "stale", killed = "crashed", lost = "crashed",
      stopped = "stopped", stopping = "stopping",
    }, states)
    assert.matches("8 workers: 2 idle, 1 stopping, 1 stopped, 2 stale, 2 crashed; 80 jobs", output)
  end)

  it("shows why a worker refused to reload", function()
    set("w1", { reload_error = "jobs/a.lua:3: '=' expected near 'x'" })
    assert.matches("\nw1 refused to reload: jobs/a.lua:3: '=' expected near 'x'\n", shows())
  end)

  it("bears whatever stands there", function()
    set("good", {})
    set("none", "no JSON at all")
    set("list", "[1,2]")
    set("empty", "")
    set("huge", ("x"):rep(2 * 1024 * 1024))
    set("\27[31mred\n\255\0", "\27[2J")
    set("odd", cjson.encode {
      timestamp = os.time(), status = {}, pid = "x", jobs = -1e300, errors = 1e300, executors = "many", host = 5,
      version = ("\27v"):rep(1000), rate = {}, every = -1,
    })
    set("running", { executors = { 5, { job = {} }, { job = "\27x", since = "then", id = 9, progress = { "\27" } } } })
    local output = shows()
    assert.is_nil(output:find "[\27%z]")
    assert.equal("idle", row(output, "good")[5])
    for _, id in ipairs { "none", "list", "empty", "huge" } do
      assert.equal("unreadable", row(output, id)[5], id)
      assert.matches("^no heartbeat: ", row(output, id)[6])
    end
    assert.matches("\n8 workers: ", output)
    assert.is_true(#output < 4000)
    local workers = cjson.decode(shows "--json").workers
    assert.equal(8, #workers)
  end)

  it("prints JSON", function()
    set("w1", { version = "größe" })
    set("w2", "{")
    local printed = cjson.decode(shows "--json")
    assert.equal("idle", printed.workers[1].state)
    assert.equal("größe", printed.workers[1].heartbeat.version)
    assert.is_true(printed.workers[1].age < 5)
    assert.equal(cjson.null, printed.workers[2].heartbeat)
    assert.equal("string", type(printed.workers[2].problem))
    assert.same({ 2, 1, 1, 10 }, {
      printed.totals.workers, printed.totals.idle, printed.totals.unreadable, printed.totals.jobs,
    })
  end)

  it("forgets a worker", function()
    set("old", {})
    assert.matches("^forgot old;", shows("--forget", "old"))
    assert.equal(0, client:call("HEXISTS", "workers.heartbeat", "old"))
    assert.same({ 1, "", "lunastalk status: there is no heartbeat of old\n" }, { status("--forget", "old") })
    set("a\n\27[2J", {})
    assert.matches("^forgot a\\n\\u001b%[2J;", shows("--forget", "a\n\27[2J"))
  end)

  it("watches until SIGINT, through a Redis that goes away", function()
    local other = redis.start()
    assert(other:client():call("HSET", "workers.heartbeat", "w1", beat {}))
    local argv = { worker.built "lunastalk", "status", "--watch", "--redis", other.address }
    local watching = process.spawn(argv, { cwd = dir })
    watching:expect "w1 .-w1 "
    other:stop()
    watching:expect "lunastalk status: Redis at"
    other:start_again()
    assert(other:client():call("HSET", "workers.heartbeat", "w2", beat {}))
    watching:expect "w2 "
    assert.is_nil(watching:output():find "\27")
    watching:kill(signal.SIGINT)
    assert.equal(0, watching:wait(5))
    other:stop()
  end)

  it("draws over the screen of a terminal", function()
    set("w1", {})
    local line = ("%s status --watch --redis %s"):format(worker.built "lunastalk", server.address)
    local watching = process.spawn({ "script", "-qec", line, "/dev/null" }, { cwd = dir })
    watching:expect "\27%[H\27%[Jworker.-\27%[H\27%[Jworker"
    watching:destroy()
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs { { "x" }, { "--watch", "--json" }, { "--json", "--forget", "x" }, { "--forget" } } do
      assert.equal(64, (status(unpack(arguments))))
    end
  end)
end)

describe("the commands' connection to Redis", function()
  local function project(config)
    return { cwd = worker.project { config = { redis = config } } }
  end

  local function fails(config)
    local options = project(config)
    local code, output, errors = worker.lunastalk("status", options)
    assert.equal("", output)
    return code, errors
  end

  it("must be configured", function()
    local code, _, errors = worker.lunastalk("status", { cwd = dir })
    assert.equal(78, code)
    assert.matches("^lunastalk status: no Redis is configured: redis.server in config.yml", errors)
  end)

  it("goes over unix sockets, logs in, selects, and puts the prefix before keys", function()
    local other = redis.start { unix = true, args = { "--requirepass", "se cret" } }
    local own = other:client()
    assert.equal("OK", own:call("AUTH", "se cret"))
    assert.equal("OK", own:call("SELECT", 3))
    assert(own:call("HSET", "app:workers.heartbeat", "w1", beat {}))
    local options = project { server = other.address, password = "se cret", db = 3, prefix = "app:" }
    assert.matches("\nw1 ", (select(2, worker.lunastalk("status", options))))
    temp.write(options.cwd .. "/secret", "se cret\n")
    temp.write(options.cwd .. "/config.yml",
      ("redis: { server: '%s', user: default, password_file: secret, db: 3, prefix: 'app:' }"):format(other.address))
    assert.matches("\nw1 ", (select(2, worker.lunastalk("status", options))))
    local code, errors = fails { server = other.address }
    assert.equal(69, code)
    assert.matches("PING: NOAUTH Authentication required", errors)
    code, errors = fails { server = other.address, password = "wrong" }
    assert.equal(69, code)
    assert.matches("AUTH: WRONGPASS", errors)
    assert.is_nil(errors:find "wrong%f[%W]")
    code, errors = fails { server = other.address, password_file = "nothing" }
    assert.equal(78, code)
    assert.matches("redis.password_file /.-/nothing cannot be read: No such file", errors)
    other:stop()
  end)

  it("quotes what Redis refuses", function()
    client:call("SET", "workers.heartbeat", "text")
    local code, _, errors = status()
    assert.equal(1, code)
    assert.matches("Redis at [%d.:]+: HGETALL workers.heartbeat: WRONGTYPE ", errors)
    client:call "FLUSHALL"
    assert.matches("SELECT 9999: ERR", (select(2, fails { server = server.address, db = 9999 })))
  end)

  it("says that nobody answers", function()
    local other = redis.start()
    other:stop()
    local code, errors = fails { server = other.address }
    assert.equal(69, code)
    assert.equal(("lunastalk status: Redis at %s: Connection refused\n"):format(other.address), errors)
  end)

  it("bears answers that are none, and waits no longer for those that drip", function()
    local server_of_strangers = fake.listen()
    local function ask(answer)
      local child = process.spawn({ worker.built "lunastalk", "status", "--redis", server_of_strangers.address },
        { cwd = dir })
      local conn = server_of_strangers:accept()
      answer(conn)
      return child:wait(10), child:output()
    end
    local code, output = ask(function(conn)
      conn:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    end)
    assert.equal(69, code)
    assert.matches("Protocol error", output)
    code, output = ask(function(conn)
      conn:send "+PONG\r\n:1\r\n"
    end)
    assert.equal(1, code)
    assert.matches("HGETALL workers.heartbeat: an answer of another type", output)
    code, output = ask(function(conn)
      conn:send "+PONG\r\n*2\r\n*1\r\n$1\r\nx\r\n:5\r\n"
    end)
    assert.equal(0, code)
    assert.matches("unreadable", output)
    code, output = ask(function(conn)
      pcall(conn.drip, conn, "+" .. ("P"):rep(80), 0.1)
    end)
    assert.equal(69, code)
    assert.matches("no answer within 5 s", output)
  end)

  it("waits 5 s for an answer and no longer", function()
    local other = redis.start()
    other.process:pause()
    local began = wait.now()
    local code, errors = fails { server = other.address }
    assert.equal(69, code)
    assert.matches("no answer within 5 s", errors)
    assert.is_true(wait.now() - began > 4.5 and wait.now() - began < 9)
    other.process:continue()
    other:stop()
  end)
end)
