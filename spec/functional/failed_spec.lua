-- `lunastalk failed` and peek's error, with an index of failures written by hand.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local dir = temp.dir()
local server, store = beanstalkd.start(), redis.start()
local queue, client = server:client(), store:client()
local instance = queue:stats().id

local function lunastalk(...)
  local arguments = { ... }
  for _, argument in ipairs { "--beanstalkd", server.address, "--redis", store.address, { cwd = dir } } do
    table.insert(arguments, argument)
  end
  return worker.lunastalk(unpack(arguments))
end

local function failed(...)
  return lunastalk("failed", ...)
end

local function lists(...)
  local code, output, errors = failed(...)
  assert.same({ 0, "" }, { code, errors })
  return output
end

-- One failed attempt; `at` is the entry's id in the stream.
local function fail(id, changes, at)
  local fields = {
    server = server.address, instance = instance, id = id, name = "send_email", tube = "email", attempt = 1,
    state = "buried", delay = 0, error = "smtp: connection refused", traceback = "stack traceback:\n\tjobs/x.lua:3:",
    runtime = "0.125", worker = "web1_worker1", record = "",
  }
  for name, value in pairs(changes or {}) do
    fields[name] = value
  end
  local words = {}
  for name, value in pairs(fields) do
    table.insert(words, name)
    table.insert(words, value)
  end
  return assert(client:call("XADD", "lunastalk.failed", "MAXLEN", "~", 10000, at or "*", unpack(words)))
end

local function bury(body)
  local id = queue:put(body or '{"job":"send_email"}', { tube = "email" })
  queue:watch "email"
  assert(queue:reserve(1) == id)
  assert(queue:bury(id))
  return id
end

local function ids(output)
  local found = {}
  for id in output:gmatch "\n[^\n]-  +[%w_.]+  +(%d+)  " do
    table.insert(found, tonumber(id))
  end
  return found
end

local function left()
  return client:call("XLEN", "lunastalk.failed")
end

describe("failed", function()
  before_each(function()
    client:call "FLUSHALL"
  end)

  it("says that nothing failed", function()
    assert.equal("no failures that match\n", lists())
    assert.equal("[]\n", lists "--json")
  end)

  it("lists the last failure of each job, the newest first", function()
    fail(1, { state = "retrying", error = "first" })
    fail(2, {})
    fail(1, { attempt = 2, error = "second\nand more of it" })
    fail(1, { instance = "ffff", error = "of another server" })
    local output = lists()
    assert.same({ 1, 1, 2 }, ids(output))
    assert.matches("\n%d s  send_email  1    email  1        buried  of another server\n", output)
    assert.matches("\n%d s  send_email  1    email  2        buried  second\n", output)
    assert.is_nil(output:find "first")
  end)

  it("lists what matches", function()
    local now = os.time()
    fail(1, { error = "Disk FULL" }, now - 7200 .. "000-0")
    fail(2, { name = "resize", tube = "images" }, now - 1800 .. "000-0")
    fail(3, { traceback = "in function 'deliver'" })
    assert.same({ 1 }, ids(lists("--match", "disk full")))
    assert.same({ 3 }, ids(lists("--match", "'Deliver'")))
    assert.same({ 2 }, ids(lists("--job", "resize")))
    assert.same({ 2 }, ids(lists("--tube", "images")))
    assert.same({ 3, 2 }, ids(lists("--since", "1h")))
    assert.same({}, ids(lists("--since", "1h", "--match", "disk")))
    local cut = lists("--limit", "2")
    assert.same({ 3, 2 }, ids(cut))
    assert.matches("\nand more: %-%-limit N shows so many\n$", cut)
    assert.is_nil(lists("--limit", "3"):find "and more")
  end)

  it("a job that failed again in another way matches by its last failure only", function()
    fail(1, { error = "old" })
    fail(1, { error = "new" })
    assert.equal("no failures that match\n", lists("--match", "old"))
  end)

  it("pages through a long index", function()
    for i = 1, 450 do
      fail(i, {}, "1-" .. i)
    end
    local all = ids(lists("--limit", 1000))
    assert.equal(450, #all)
    assert.same({ 450, 1 }, { all[1], all[450] })
  end)

  it("shows one with all that is known", function()
    fail(7, { error = "boom", state = "retrying", delay = 40, record = "order-7" })
    local output = lists("--show", 7)
    for _, line in ipairs {
      "job        7 at " .. server.address, "name       send_email\n", "tube       email\n",
      "attempt    1, after 0.125 s\n",
      "state      retrying after 40 s\n", "worker     web1_worker1\n", "record     order-7\n",
      "\n\nboom\nstack traceback:\n    jobs/x.lua:3:\n",
    } do
      assert.truthy(output:find(line, 1, true), line)
    end
    local printed = cjson.decode(lists("--show", 7, "--json"))
    assert.equal("boom", printed[1].error)
    assert.same({ 1, "", "lunastalk failed: no failure of job 8 is in the index\n" }, { failed("--show", 8) })
  end)

  it("bears whatever stands there", function()
    client:call("XADD", "lunastalk.failed", "*", "strange", "\27[2J")
    client:call("XADD", "lunastalk.failed", "*", "id", "\27", "name", ("n"):rep(100000), "error", "\255\0\n")
    local output = lists()
    assert.is_nil(output:find "[\27%z]")
    assert.is_true(#output < 1000)
    assert.equal(2, #cjson.decode(lists "--json"))
    client:call "FLUSHALL"
    client:call("SET", "lunastalk.failed", "text")
    local code, _, errors = failed()
    assert.equal(1, code)
    assert.matches("XREVRANGE lunastalk.failed: WRONGTYPE", errors)
  end)

  it("counts and does nothing without --yes", function()
    local id = bury()
    fail(id, {})
    local code, output, errors = failed "--kick"
    assert.same({ 1, "" }, { code, output })
    assert.equal(("1 of 1 jobs that match can be kicked at %s\n"):format(server.address)
      .. "lunastalk failed: nothing was done; --yes kicks them\n", errors)
    assert.equal("buried", queue:stats_job(id).state)
    assert.equal(1, left())
  end)

  it("asks on a terminal", function()
    local id = bury()
    fail(id, {})
    local line = ("%s failed --kick --beanstalkd %s --redis %s"):format(worker.built "lunastalk", server.address,
      store.address)
    local function answer(text)
      local terminal = process.spawn({ "script", "-qec", line, "/dev/null" }, { cwd = dir, stdin = text })
      return terminal:wait(), terminal:output()
    end
    local code, output = answer "n\n"
    assert.equal(1, code)
    assert.matches("1 of 1 jobs that match can be kicked.*kick them%? %[y/N%] .*nothing was done", output)
    assert.equal("buried", queue:stats_job(id).state)
    code, output = answer "y\n"
    assert.equal(0, code)
    assert.matches("kicked 1 of 1 jobs that match", output)
    assert.equal("ready", queue:stats_job(id).state)
    queue:delete(id)
  end)

  it("kicks those that are buried, and forgets their failures", function()
    local a, b = bury(), bury()
    fail(a, { state = "retrying" }, "1-0")
    fail(a, { attempt = 2 })
    fail(b, { error = "something else" })
    local code, output = failed("--kick", "--yes", "--match", "refused", "--since", "1h")
    assert.equal(0, code)
    assert.equal("kicked 1 of 1 jobs that match\n", output)
    assert.equal("ready", queue:stats_job(a).state)
    assert.equal("buried", queue:stats_job(b).state)
    assert.equal(1, left())
    queue:delete(a)
    queue:delete(b)
  end)

  it("leaves alone what is not what failed", function()
    local other = bury '{"job":"another"}'
    local ready = queue:put('{"job":"send_email"}', { tube = "email" })
    fail(other, {})
    fail(ready, {})
    fail(999999, {})
    fail(other, { instance = "ffff" })
    fail("x", {})
    local code, output, errors = failed("--kick", "--yes")
    assert.equal(0, code)
    assert.equal("kicked 0 of 5 jobs that match\n", output)
    assert.matches("left out: 2 of another server, or of this one before its restart\n", errors)
    assert.matches("left out: 1 gone from beanstalkd\n", errors)
    assert.matches("left out: 1 now another job\n", errors)
    assert.matches("left out: 1 not buried %(any more%)\n", errors)
    assert.equal(5, left())
    assert.equal("buried", queue:stats_job(other).state)
    queue:delete(other)
    queue:delete(ready)
  end)

  it("kicks and deletes what was no envelope", function()
    local id = bury "no envelope"
    fail(id, { name = "" })
    assert.equal('{"matched":1,"kicked":1}\n', (select(2, failed("--kick", "--yes", "--json"))))
    assert.equal("ready", queue:stats_job(id).state)
    queue:delete(id)
  end)

  it("deletes what no worker holds", function()
    local id = bury()
    local held = queue:put('{"job":"send_email"}', { tube = "email" })
    assert.equal(held, (queue:reserve(1)))
    fail(id, {})
    fail(held, {})
    local code, output, errors = failed("--delete", "--yes")
    assert.equal(0, code)
    assert.equal("deleted 1 of 2 jobs that match\n", output)
    assert.matches("left out: 1 held by a worker\n", errors)
    assert.is_nil(queue:stats_job(id))
    assert.equal(1, left())
    queue:delete(held)
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs {
      { "x" }, { "--kick", "--delete" }, { "--yes" }, { "--show", "x" }, { "--show", "1", "--limit", "2" },
      { "--limit", "0" }, { "--since", "yesterday" }, { "--show", "1", "--kick" },
    } do
      assert.equal(64, (failed(unpack(arguments))))
    end
  end)
end)

describe("peek", function()
  it("shows the last error of a buried job", function()
    client:call "FLUSHALL"
    local id = bury()
    fail(id, { error = "old" }, "1-0")
    fail(id, { error = "boom\27\nand more", attempt = 3 })
    fail(id, { error = "of another server", instance = "ffff" })
    local code, output, errors = lunastalk("peek", "--id", id)
    assert.same({ 0, "" }, { code, errors })
    assert.matches("\nerror      boom\\u001b %(attempt 3, %d+%-%d%d%-%d%d %d%d:%d%d:%d%d, %d s ago%)\n", output)
    client:call "FLUSHALL"
    assert.is_nil(select(2, lunastalk("peek", "--id", id)):find "\nerror ")
    queue:delete(id)
  end)

  it("shows the job when Redis is away", function()
    local id = bury()
    local away = redis.start()
    away:stop()
    local code, output, errors = worker.lunastalk("peek", "--id", id, "--beanstalkd", server.address, "--redis",
      away.address, { cwd = dir })
    assert.equal(0, code)
    assert.equal(("lunastalk peek: warning: its last error is not known: Redis at %s: Connection refused\n"):format(
      away.address), errors)
    assert.matches("\nstate      buried\n", output)
    assert.is_nil(output:find "\nerror ")
    local ready = queue:put("{}", { tube = "email" })
    assert.equal("", (select(3, worker.lunastalk("peek", "--id", ready, "--beanstalkd", server.address, "--redis",
      away.address, { cwd = dir }))))
    queue:delete(ready)
    queue:delete(id)
  end)
end)
