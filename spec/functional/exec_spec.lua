--- `lunastalk exec`: one job in a real executor, outside the queue.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local dirent = require "posix.dirent"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local HANDLERS = {
  ["_bootstrap.lua"] = [[
require("ffi").cdef "int getpid(void); int usleep(unsigned us); int raise(int signal);"
]],
  ["greet.lua"] = "return function(job) require('lunastalk.log').debug('hello {name}', job.data) end",
  ["email/welcome.lua"] = "return function() return nil, 'no such\\nmailbox' end",
  ["raises.lua"] = [[
local function deep() error "it broke" end
return { retry = { max = 5, delay = 4 }, process = function() deep() end }]],
  ["releases.lua"] = "return function(job) job:release { delay = 60 } end",
  ["buries.lua"] = "return function(job) job:bury 'no good' end",
  ["asks.lua"] = [[
local log, queue = require "lunastalk.log", require "lunastalk.queue"
return { retry = { max = 5 }, process = function(job)
  job:touch()
  job:progress { row = 3 }
  log.info("first {a}, then {b}, other {c}", { a = job:once "k", b = job:once "k", c = job:once "l" })
  log.info("from {tube} as {id} of {server}, attempt {n}",
    { tube = job.tube, id = job.id, server = job.server, n = job.attempt })
  local one = queue.put { job = "send_email", data = { to = "é" }, tube = "bulk", priority = 7, delay = 5, ttr = 9 }
  log.info("put {one} and {two}", { one = one, two = queue.put { job = "greet" } })
  io.open(job:tempdir() .. "/file", "w"):close()
end }]],
  ["puts_much.lua"] = [[
local queue = require "lunastalk.queue"
return function(job) -- {"job":"x","data":"…"}: 21 bytes around
  assert(queue.put { job = "x", data = ("x"):rep(65535 - 21) })
  local _, message, code = queue.put { job = "x", data = ("x"):rep(65535 - 20) }
  return nil, code .. ": " .. message
end]],
  ["counts.lua"] = "return function(job) require('lunastalk.log').info('{n}', { n = ('%.0f'):format(job.data.n) }) end",
  ["crashes.lua"] = "return function() print 'last words' require('ffi').C.raise(11) end",
  ["exits.lua"] = "return function() os.exit(0) end",
  ["loops.lua"] = [[
return { timeout = 0.2, process = function(job)
  require("lunastalk.log").info("pid {pid}", { pid = require("ffi").C.getpid() })
  while true do end
end }]],
  ["sleeps.lua"] = [[
local function nap() require("ffi").C.usleep(20000) end
return { timeout = 0.2, process = function(job)
  require("lunastalk.log").info("pid {pid}", { pid = require("ffi").C.getpid() })
  while true do nap() end
end }]],
  ["eats.lua"] = "return function() local t = {} for i = 1, 1e8 do t[i] = ('x'):rep(1e5) .. i end end",
  ["prints.lua"] = "return function(job) for n = 1, job.data.lines do print(n .. ('x'):rep(100)) end end",
}

local server = beanstalkd.start()
local queue = server:client()
local dir = worker.project { server = server, jobs = HANDLERS, config = { executor = { memory = "64MB" } } }

-- A sanitizer must not take for its own what handlers do to the executor.
local sanitizer = temp.dir()
temp.write(sanitizer .. "/lunastalk-executor", "handle_segv=0:detect_leaks=0")
local ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":include_if_exists=" .. sanitizer .. "/%b"

-- Exit code, stdout, stderr; the last argument may be options.
local function exec(...)
  local arguments = { ... }
  local options = type(arguments[#arguments]) == "table" and table.remove(arguments) or {}
  table.insert(arguments, "--allow-root")
  options.cwd, options.env = options.cwd or dir, options.env or {}
  options.env.ASAN_OPTIONS = ASAN_OPTIONS
  table.insert(arguments, options)
  return worker.lunastalk("exec", unpack(arguments))
end

-- Exit code and what --json says.
local function told(...)
  local code, output, errors = exec("--json", ...)
  assert.matches("^{[^\n]*}\n$", output, errors)
  return code, cjson.decode(output), errors
end

local function envelope(fields)
  return temp.write(temp.dir() .. "/job.json", cjson.encode(fields))
end

local function buried(body, options)
  local id = queue:put(body, options)
  queue:command("watch " .. (options and options.tube or "default"))
  assert.equal(id, queue:reserve())
  queue:bury(id)
  return id
end

describe("lunastalk exec", function()
  it("runs a job and tells what came of it; its records go to stderr", function()
    local code, output, errors = exec("greet", '{"name":"Ada"}')
    assert.equal(0, code, errors)
    assert.matches("^job        greet\noutcome    succeeded\nrun time   0%.%d+ s, of 60 s\n"
      .. "memory     [%d.]+ MB of Lua at most\npolicy     would be deleted\n$", output)
    assert.matches("^%S+Z debug greet: hello Ada server=exec id=0 tube=default attempt=1\n$", errors)
  end)

  it("gives it {} without data, and numbers as they are", function()
    assert.equal(0, (exec "greet"))
    local code, _, errors = exec("counts", '{"n":9007199254740991}')
    assert.equal(0, code)
    assert.matches("counts: 9007199254740991 ", errors)
  end)

  it("shows a failure with its lines, and whether it would be tried again", function()
    local code, output = exec "raises"
    assert.equal(1, code)
    assert.matches("\noutcome    failed: jobs/raises.lua:1: it broke\n           stack traceback:\n"
      .. "               .-in function 'deep'\n               jobs/raises.lua:2: .*\nrun time ", output)
    assert.matches("\npolicy     would be tried again in about 4 s %(attempt 1 of 6%)\n$", output)
    code, output = exec("raises", "--attempt=6")
    assert.equal(1, code)
    assert.matches("\npolicy     would be buried %(attempt 6 of 6%)\n$", output)
    code, output = exec "email.welcome"
    assert.equal(1, code)
    assert.matches("\noutcome    failed: no such\n           mailbox\nrun time .*\npolicy     would be buried\n$",
      output)
  end)

  it("shows what the handler decides itself", function()
    local code, output = exec "releases"
    assert.equal(0, code)
    assert.matches("\noutcome    released\n.*\npolicy     would be released, to run again in 60 s\n$", output)
    code, output = exec "buries"
    assert.equal(1, code)
    assert.matches("\noutcome    buried: no good\n.*\npolicy     would be buried\n$", output)
  end)

  it("tells the same as one object", function()
    local code, said = told("raises", "--attempt=2")
    assert.equal(1, code)
    assert.matches("^stack traceback:\n\t.*in function 'deep'\n", said.traceback)
    assert.is_true(said.runtime > 0 and said.runtime < 10 and said.peak_memory > 10000)
    said.traceback, said.runtime, said.peak_memory = nil, nil, nil
    assert.same({
      job = "raises", tube = "default", outcome = "failed", reason = "jobs/raises.lua:1: it broke", limit = 60,
      attempt = 2, attempts = 6, verb = "retry", delay = 8, callbacks = {}, puts = {},
    }, said)
    code, said = told "greet"
    assert.same({ 0, "succeeded", "delete", "" }, { code, said.outcome, said.verb, said.reason })
  end)

  it("takes a whole envelope, with what it says of retries, time and callbacks", function()
    local code, output = exec("--body", envelope {
      job = "raises", retry = { max = 1 }, timeout = 7, data = {},
      error = { callback = { "https://example.com/a", "https://example.com/b" }, bury = false },
    }, "--attempt=2")
    assert.equal(1, code)
    assert.matches("\nrun time   [%d.]+ s, of 7 s\n", output)
    assert.matches("\npolicy     would be deleted %(attempt 2 of 2%)\ncallback   https://example.com/a\n"
      .. "           https://example.com/b\n$", output)
    code, output = told("--body=-", {
      stdin = '{"job":"greet", "success":{"callback":"http://example.com/"}, "error":{"callback":"http://x.test/"}}\n',
    })
    assert.equal(0, code)
    assert.same({ "http://example.com/" }, output.callbacks)
  end)

  it("takes no job that beanstalkd would not take", function()
    local code, said = told "puts_much"
    assert.equal(1, code)
    assert.equal("JOB_TOO_BIG: its 65536 bytes are more than the 65535 that beanstalkd takes (max-job-size; -z)",
      said.reason)
    assert.equal(1, #said.puts)
    assert.equal(65535, #said.puts[1].body)
  end)

  it("answers what the job asks, and sends none of it", function()
    local store = redis.start()
    local before = queue:stats()
    local code, said, errors = told("asks", "--attempt=3", {
      env = { LUNASTALK_REDIS_SERVER = store.address, TMPDIR = temp.dir() },
    })
    assert.equal(0, code, errors)
    assert.matches("info asks: progress {\"row\":3}\n", errors)
    assert.matches("info asks: first true, then true, other true ", errors)
    assert.matches("notice asks: once k: true, Redis is not asked\n", errors)
    assert.matches("info asks: from default as 0 of exec, attempt 3 ", errors)
    assert.matches("notice asks: would put into tube bulk %(priority 7, delay 5 s, ttr 9 s%): {[^\n]*é[^\n]*}\n",
      errors)
    assert.matches("info asks: put 1 and 2 ", errors)
    assert.same({ row = 3 }, said.progress)
    assert.equal(2, #said.puts)
    assert.same({ job = "send_email", data = { to = "é" } }, cjson.decode(said.puts[1].body))
    said.puts[1].body = nil
    assert.same({ tube = "bulk", priority = 7, delay = 5, ttr = 9 }, said.puts[1])
    local after = queue:stats()
    assert.same({ before["total-connections"], before["cmd-put"] }, { after["total-connections"], after["cmd-put"] })
    assert.equal(0, store:client():call "DBSIZE")
    local _, output = exec "asks"
    assert.matches("\nprogress   {\"row\":3}\nputs       2, none was sent\n"
      .. "policy     would be deleted %(attempt 1 of 6%)\n$", output)
  end)

  it("leaves no temporary files", function()
    local root = temp.dir()
    assert.equal(0, (exec("asks", { env = { TMPDIR = root } })))
    for name in dirent.files(("%s/lunastalk-%d"):format(root, unistd.geteuid())) do
      assert.matches("^%.%.?$", name)
    end
  end)
end)

describe("lunastalk exec --buried", function()
  it("runs a copy of the job, as its next attempt, and lets it be", function()
    local body = '{"job":"asks","retry":{"max":2}}'
    local id = buried(body, { tube = "images", ttr = 33 })
    local before = queue:stats_job(id)
    local code, output, errors = exec("--buried", id)
    assert.equal(0, code, errors)
    assert.matches(("info asks: from images as %s of %s, attempt 2 "):format(id, server.address), errors)
    assert.matches("\nrun time   [%d.]+ s, of 33 s\n", output)
    assert.matches("\npolicy     would be deleted %(attempt 2 of 3%)\n$", output)
    local after = queue:stats_job(id)
    before.age, after.age = nil, nil
    assert.same(before, after)
    assert.equal(body, queue:peek(id))
    assert.matches("attempt 1 ", select(3, exec("--buried", id, "--attempt=1")))
  end)

  it("shows why a body is no envelope", function()
    local code, output = exec("--buried", buried "not one")
    assert.equal(1, code)
    assert.matches("^outcome    no envelope: not JSON: [^\n]*\npolicy     would be buried\n$", output)
  end)

  it("says so when the job is not buried, or not there", function()
    local id = queue:put('{"job":"greet"}', { tube = "ready" })
    local code, _, errors = exec("--buried", id)
    assert.equal(0, code)
    assert.matches(("lunastalk exec: job %s is ready, not buried: a worker may run it too\n"):format(id), errors)
    code, _, errors = exec("--buried", "99999")
    assert.same({ 1, "lunastalk exec: there is no job 99999\n" }, { code, errors })
    assert.equal(64, (exec("--buried", "many")))
    code, _, errors = exec("--buried", id, "--beanstalkd", "127.0.0.1:1")
    assert.equal(69, code)
    assert.matches("127.0.0.1:1: connection refused", errors)
  end)
end)

describe("lunastalk exec is limited as a worker is:", function()
  local function ends(name, reason, where)
    local code, said, errors = told(name)
    assert.equal(1, code)
    assert.same({ "failed", "bury" }, { said.outcome, said.verb })
    assert.matches(reason, said.reason)
    assert.matches(where, said.traceback)
    local pid = errors:match "pid (%d+)"
    assert.is_nil(pid and process.state(pid))
  end

  it("a crash", function()
    ends("crashes", "^killed by signal 11 ", "^last records:\n\tlast words$")
    ends("exits", "^the executor exited with code 0$", "^$")
  end)

  it("time, where Lua can be interrupted and where it cannot", function()
    ends("sleeps", "^timed out after 0.2 s$", "jobs/sleeps.lua:4")
    ends("loops", "^timed out after 0.2 s$", "^last records:\n\tpid %d+$")
  end)

  it("memory", function()
    ends("eats", "^memory limit of 64 MB$", "")
  end)

  it("output, of which nothing is lost, also when it is read slowly", function()
    local body = envelope { job = "prints", data = { lines = 20000 } }
    local script = ('"$0" exec --body %s --allow-root 2>&1 >/dev/null | luajit "$1"'):format(body)
    local reader = temp.write(temp.dir() .. "/reader.lua", [[
      local ffi = require "ffi"
      ffi.cdef "int ioctl(int fd, unsigned long request, int *value);"
      local FIONREAD, waiting = 0x541b, ffi.new "int[1]"
      repeat -- until the pipe is as good as full: whoever writes has to wait then
        assert(ffi.C.ioctl(0, FIONREAD, waiting) == 0 and os.clock() < 10)
      until waiting[0] > 60000
      io.write(io.read "*a")]])
    local code, output = process.run({ "sh", "-c", script, worker.built "lunastalk", reader }, { cwd = dir })
    assert.equal(0, code)
    local count = 0
    for n in output:gmatch "info prints: (%d+)x+ " do
      count = count + 1
      assert.equal(count, tonumber(n))
    end
    assert.equal(20000, count)
  end)

  it("a reader of its records that is gone", function()
    local script = '"$0" exec prints \'{"lines":20000}\' --allow-root 2>&1 >result | head -n 1 >/dev/null; cat result'
    local project = worker.project { jobs = HANDLERS }
    local _, output = process.run({ "sh", "-c", script, worker.built "lunastalk" }, { cwd = project })
    assert.matches("\noutcome    succeeded\n", output)
  end)
end)

describe("lunastalk exec, interrupted,", function()
  local function start(name, number)
    local body = envelope { job = name, timeout = 60 }
    local child = process.spawn({ worker.built "lunastalk", "exec", "--body", body, "--allow-root" }, { cwd = dir })
    local executor = child:expect "pid (%d+)"
    child:kill(number)
    return child, executor
  end

  local function gone(pid)
    wait.eventually(10, function()
      return not process.state(pid)
    end, "the end of the executor")
  end

  it("shows where the job was", function()
    local child, executor = start("sleeps", signal.SIGINT)
    assert.equal(1, (child:wait()))
    assert.is_nil(process.state(executor))
    assert.matches("\noutcome    interrupted: cancelled\n           stack traceback:.*jobs/sleeps.lua:4.*\nrun time",
      child:output())
    assert.not_matches("policy", child:output())
  end)

  it("kills what cannot be stopped, at a second signal at once", function()
    local child, executor = start("loops", signal.SIGTERM)
    assert.equal(1, (child:wait()))
    assert.is_nil(process.state(executor))
    assert.matches("\noutcome    interrupted: cancelled\n           last records:\n", child:output())
    child, executor = start("loops", signal.SIGINT)
    wait.eventually(10, function()
      child:kill(signal.SIGINT)
      return not child:running()
    end, "its end")
    assert.is_nil(process.state(executor))
  end)

  it("leaves no process, killed though it be", function()
    local child, executor = start("loops", signal.SIGKILL)
    assert.same({ nil, signal.SIGKILL }, { child:wait() })
    gone(executor)
  end)

  it("while the handlers load, ends", function()
    local project = worker.project { jobs = { ["a.lua"] = "print 'loading' while true do end" } }
    local child = process.spawn({ worker.built "lunastalk", "exec", "a", "--allow-root" }, { cwd = project })
    child:expect "loading"
    child:kill(signal.SIGINT)
    assert.equal(1, (child:wait()))
    assert.matches("interrupted before the job began\n$", child:output())
  end)
end)

describe("lunastalk exec refuses", function()
  local function refused(expected, pattern, ...)
    local code, output, errors = exec(...)
    assert.equal(expected, code, output .. errors)
    assert.equal("", output)
    assert.matches("^lunastalk exec: " .. pattern .. "[^\n]*\n$", errors)
  end

  it("arguments that make no job", function()
    refused(64, "which job%? one of NAME %[JSON%], %-%-body FILE and %-%-buried ID")
    refused(64, "which job%?", "greet", "--body=x")
    refused(64, "which job%?", "--body=x", "--buried=1")
    refused(64, "too many arguments", "greet", "{}", "{}")
    refused(64, "'{\"a\":' is not JSON: ", "greet", '{"a":')
    refused(64, "'{\"n\":9223372036854775808}' is not JSON: too big integer", "greet", '{"n":9223372036854775808}')
    refused(64, "'../greet' is no handler's name", "../greet")
    refused(64, "%-%-attempt: '0' is no whole number from 1 to 1001", "greet", "--attempt=0")
    refused(64, "%-%-attempt: the last attempt of this job is 6", "raises", "--attempt=7")
    refused(64, "unknown flag '%-%-bury'", "greet", "--bury")
  end)

  it("a file that cannot be read", function()
    refused(1, "cannot read none.json: No such file or directory", "--body", "none.json")
    refused(1, "cannot read jobs: Is a directory", "--body", "jobs")
    refused(1, "/dev/zero is over 32 MB", "--body", "/dev/zero")
  end)

  it("handlers that do not load", function()
    local files = {
      ["return function("] = "jobs/a.lua:1: ", ["error 'not today'"] = "jobs/a.lua:1: not today",
      ["os.exit(3)"] = "the executor exited with code 3", ["return 1"] = "jobs/a.lua",
    }
    for text, why in pairs(files) do
      local cwd = worker.project { jobs = { ["a.lua"] = text } }
      refused(78, "the handlers do not load: " .. why, "a", { cwd = cwd })
    end
  end)

  if unistd.geteuid() == 0 then
    it("root, unless it is allowed", function()
      local code, _, errors = worker.lunastalk("exec", "greet", { cwd = dir })
      assert.equal(78, code)
      assert.matches("^lunastalk exec: it does not run as root.*%-%-allow%-root\n$", errors)
    end)
  end
end)

describe("lunastalk exec shows what a worker would bury unrun:", function()
  it("a name that no handler has, with those that there are", function()
    local code, output = exec "gret"
    assert.equal(1, code)
    assert.matches("^job        gret\noutcome    unknown name: "
      .. 'there is no handler "gret"; did its producer mean "greet"%?\n'
      .. "handlers   asks, buries, .*, greet, .*\npolicy     would be buried\n$", output)
  end)

  it("an envelope that is none, or wants too much", function()
    local cases = {
      ["nope"] = "not JSON: ", ['{"data":{}}'] = '"job"', ['["greet"]'] = "not an object",
      ['{"job":"greet","timeout":86401}'] = '"timeout" is over jobs.max_timeout, 86400 s', [""] = "",
    }
    for body, why in pairs(cases) do
      local code, said = told("--body=-", { stdin = body })
      assert.same({ 1, "no envelope", "bury" }, { code, said.outcome, said.verb })
      assert.is_truthy(said.reason:find(why, 1, true), said.reason)
    end
  end)
end)
