--- `lunastalk log-test`; what no log may show, and how it shows what it must.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local logs = require "spec.support.logs"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local socket = require "socket"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local FILE = { to = "file", level = "notice", format = "json", path = "sink.log" }
local STDOUT = { to = "stdout", level = "warning" }

describe("lunastalk log-test", function()
  local function try(log, address)
    local dir = worker.project { config = { log = log, redis = { server = address } } }
    local code, output = worker.lunastalk("log-test", "--allow-root", { cwd = dir })
    return code, (output:match "(sink  .*)$":gsub("%S*/sink.log", "PATH"):gsub(" +", " "):gsub(" \n", "\n"))
  end
  local LOG = { { to = "stdout", level = "debug" }, { to = "file", level = "error", path = "sink.log" },
    { to = "redis", level = "info", key = "tried" } }

  it("shows that all sinks have written what they take", function()
    local store = redis.start()
    local code, rows = try(LOG, store.address)
    assert.equal(
      "sink level records written fault\nstdout debug 8 8\nfile PATH error 4 4\nredis tried info 7 7\n", rows)
    assert.equal(0, code)
    assert.equal(7, store:client():call("LLEN", "tried"))
  end)

  it("waits for a file that is alone", function()
    local code, rows = try { LOG[2] }
    assert.equal("sink level records written fault\nfile PATH error 4 4\n", rows)
    assert.equal(0, code)
  end)

  local it_as_root = unistd.geteuid() == 0 and it or function() end
  it_as_root("does not run as root, whose files would be in the way of the workers", function()
    local dir = worker.project { config = { log = { { to = "file", path = "log/sink.log" } } } }
    local code, output, errors = worker.lunastalk("log-test", { cwd = dir })
    assert.same({ 78, "" }, { code, output })
    assert.matches("^lunastalk log%-test: it does not run as root: [^\n]* %-%-allow%-root\n$", errors)
    assert.is_nil(stat.stat(dir .. "/log"))
    assert.equal(1, logs.count(select(2, worker.lunastalk("log-test", "--help")), "\n  %-%-allow%-root "))
  end)

  it("says nothing of a list where no Redis is configured", function()
    local code, rows = try { LOG[1], LOG[3] }
    assert.equal("sink level records written fault\nstdout debug 8 8\n", rows)
    assert.equal(0, code)
  end)

  it("fails where a sink has not, and shows why", function()
    LOG[2].path = "/dev/full"
    local code, rows = try(LOG, "127.0.0.1:1")
    assert.equal(1, code)
    assert.matches("\nfile /dev/full error 4 0 No space left on device\nredis tried info %d+ 0 not reached\n$", rows)
  end)
end)

describe("a password", function()
  local SECRET = "CANARY-7f3"

  local function mail(port, password)
    return { to = "email", level = "notice", server = "smtp://127.0.0.1:" .. port, address = { "ops@example.org" },
      user = "u", password = password or SECRET }
  end

  it("is not in what lunastalk config shows, which is all else", function()
    local log = { STDOUT, FILE, { to = "redis" }, mail(25) }
    local dir = worker.project { config = { log = log, redis = { password = SECRET } } }
    local code, output = worker.lunastalk("config", { cwd = dir })
    assert.equal(0, code)
    assert.not_matches("CANARY", output)
    local keys = {}
    for sink in output:match "\nlog: %[(.-)%] #":gmatch "{(.-)}" do
      table.insert(keys, (sink:gsub("%b[]", ""):gsub(": [^,]*", "")))
    end
    assert.same({
      "to, level, format, buffer", "to, level, format, buffer, path", "to, level, format, buffer, key, max",
      "to, level, format, buffer, server, from, address, user, password, password_file, ca_file, interval",
    }, keys)
    assert.matches('redis:.-\n  password: "%*%*%*"', output)
    assert.matches('user: u, password: "%*%*%*"', output)
  end)

  it("is not in what a list of them is refused with", function()
    local dir = worker.project { config = { log = { mail(25, { SECRET }) } } }
    for _, command in ipairs { "config", "log-test", "run" } do
      local code, output, errors = worker.lunastalk(command, { cwd = dir })
      assert.equal(78, code)
      assert.matches("config.yml:1:%d+: log.password must be a text", errors)
      assert.not_matches("CANARY", output .. errors)
    end
  end)

  it("is not in the log, where neither the mail server nor Redis takes it", function()
    local store, nobody, mute = redis.start(), 1, beanstalkd.free_port()
    process.spawn { "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:" .. mute } -- no STARTTLS, no AUTH
    wait.eventually(10, function()
      return socket.connect("127.0.0.1", mute)
    end, "aiosmtpd")
    for port, why in pairs { [nobody] = "Failed to connect", [mute] = "STARTTLS not supported" } do
      local file = { to = "file", level = "debug", path = "sink.log" }
      local w = logs.start({ { to = "stdout", level = "debug" }, file, mail(port) },
        { redis = { server = store.address, password = SECRET } })
      logs.run(w, { who = "mailed", last = 1 })
      w:log("the log to email ops@example.org fails: " .. why)
      w:log "redis at %S+ [^\n]*AUTH"
      logs.ends(w)
      assert.not_matches("CANARY", w:output())
      assert.not_matches("CANARY", temp.read(w.dir .. "/sink.log"))
    end
  end)
end)

describe("a record of hostile bytes", function()
  local store = redis.start()

  -- What the job logs: its lines in a file, and the objects in Redis.
  local function said(name, expected)
    local file, list = { to = "file", path = "sink.log" }, { to = "redis", key = name }
    file.level, list.level = "notice", "notice"
    local w = logs.start({ file, list }, { redis = { server = store.address } })
    logs.run(w, {}, name)
    local db, items = store:client()
    wait.eventually(10, function()
      items = db:call("LRANGE", name, 0, -1)
      return #items == expected
    end, expected .. " records in Redis")
    logs.ends(w)
    local lines = {}
    for line in temp.read(w.dir .. "/sink.log"):gmatch "([^\n]*)\n" do
      table.insert(lines, line)
    end
    assert.equal(expected, #lines)
    for i, line in ipairs(lines) do
      assert.is_true(#line < 400000 and #items[i] < 400000, #line .. " and " .. #items[i] .. " bytes")
    end
    return lines, items
  end

  it("is one clean line in a file and one object in Redis", function()
    local lines, items = said("hostile", 3)
    for i, line in ipairs(lines) do
      assert.not_matches("[%c\127-\255]", (line:gsub("…", "")))
      assert.matches("Z notice hostile: hostile .* workerId=%S+ instanceHash=%x+$", line)
      assert.matches("^hostile ", cjson.decode(items[i]).message)
    end
    assert.equal("hostile a\r\nb\27[2Jc\0d\226\128\168e\239\191\189\239\191\189f\127g %s %n",
      cjson.decode(items[1]).message)
    assert.matches("hostile {open {missing} {} %%d ", lines[2])
  end)

  it("is bounded, however often it repeats a value", function()
    said("repeats", 1)
  end)
end)
