-- `lunastalk reload` and `lunastalk cancel`, with the workers' side done by hand.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local dir = temp.dir()
local server, store = beanstalkd.start(), redis.start()
local queue, client = server:client(), store:client()

local function start(command, ...)
  local argv = { worker.built "lunastalk", command, ... }
  for _, argument in ipairs { "--redis", store.address } do
    table.insert(argv, argument)
  end
  return process.spawn(argv, { cwd = dir, apart = true })
end

local function lunastalk(...)
  local child = start(...)
  return child:wait(), child:output(), child:errors()
end

local function beat(id, changes)
  local fields = { timestamp = os.time(), status = "idle", every = 10, version = "old", reload_error = cjson.null }
  for name, value in pairs(changes or {}) do
    fields[name] = value
  end
  assert(client:call("HSET", "workers.heartbeat", id, cjson.encode(fields)))
end

describe("reload", function()
  before_each(function()
    client:call "FLUSHALL"
  end)

  it("sets the key to a new value each time", function()
    local seen = {}
    for _ = 1, 3 do
      local code, output, errors = lunastalk "reload"
      assert.same({ 0, "" }, { code, errors })
      local version = output:match "^worker_version is (%d+%-%x+)\n$"
      assert.equal(version, client:call("GET", "worker_version"))
      assert.is_nil(seen[version])
      seen[version] = true
    end
    client:call("DEL", "worker_version")
    client:call("LPUSH", "worker_version", "x")
    assert.equal(0, (lunastalk "reload"))
    assert.equal("string", client:call("TYPE", "worker_version"))
  end)

  it("--wait follows the workers until all that live run it", function()
    beat("w1")
    beat("w2", { reload_error = "from an earlier attempt" })
    beat("stopped", { status = "stopped" })
    beat("stopping", { status = "stopping" })
    beat("crashed", { timestamp = os.time() - 100 })
    client:call("HSET", "workers.heartbeat", "garbage", "x")
    local reload = start("reload", "--wait")
    local version = reload:expect "worker_version is (%S+)"
    beat("w1", { version = version })
    assert.is_true(reload:running())
    beat("w2", { version = version })
    assert.equal(0, reload:wait())
    assert.equal("2 of 2 live workers run it\n", reload:output():match "\n(.*)")
    assert.equal("", reload:errors())
  end)

  it("--wait says which refused, and why", function()
    beat("w1")
    beat("w2", { reload_error = "old trouble" })
    local reload = start("reload", "--wait")
    local version = reload:expect "worker_version is (%S+)"
    beat("w1", { version = version })
    beat("w2", { reload_error = "jobs/a.lua:3: unexpected\nsymbol", refused = version })
    assert.equal(1, reload:wait())
    assert.equal("1 of 2 live workers run it\n", reload:output():match "\n(.*)")
    assert.equal("lunastalk reload: w2 refused and goes on with what it had: jobs/a.lua:3: unexpected\\nsymbol\n",
      reload:errors())
  end)

  it("--wait ends in time", function()
    beat("w1", {})
    beat("w2", { reload_error = "as before", refused = "before" })
    local code, output, errors = lunastalk("reload", "--wait", "--timeout", "300ms")
    assert.equal(1, code)
    assert.matches("\n0 of 2 live workers run it\n$", output)
    assert.equal("lunastalk reload: w1 still runs version 'old'\n"
      .. "lunastalk reload: w2 still runs version 'old'\n", errors)
  end)

  it("--wait says that there is nobody", function()
    local code, output = lunastalk("reload", "--wait")
    assert.equal(0, code)
    assert.matches("\nno worker is alive: there is nobody to follow\n$", output)
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs { { "x" }, { "--timeout", "5s" }, { "--wait", "--timeout", "soon" } } do
      assert.equal(64, (lunastalk("reload", unpack(arguments))))
    end
    assert.equal(0, client:call("EXISTS", "worker_version"))
  end)
end)

describe("cancel", function()
  local instance = queue:stats().id

  local function key_of(id)
    return ("lunastalk.cancel:%s:%s"):format(instance, id)
  end

  local function cancel(id)
    return lunastalk("cancel", "--id", tostring(id), "--beanstalkd", server.address)
  end

  it("asks the worker that runs the job, and waits until it has seen it", function()
    local id = queue:put "{}"
    assert.equal(id, (queue:reserve(1)))
    local child = start("cancel", "--id", id, "--beanstalkd", server.address)
    local who = wait.eventually(5, function()
      return client:call("GET", key_of(id))
    end, "a request")
    assert.matches("@", who)
    local ttl = client:call("TTL", key_of(id))
    assert.is_true(ttl > 10 and ttl <= 20)
    assert.is_true(child:running())
    client:call("DEL", key_of(id))
    assert.equal(0, child:wait())
    assert.equal(("cancelled job %s: its worker is ending it\n"):format(id), child:output())
    queue:delete(id)
  end)

  it("takes the request back when nobody sees it", function()
    local id = queue:put "{}"
    assert.equal(id, (queue:reserve(1)))
    local child = start("cancel", "--id", id, "--beanstalkd", server.address)
    assert.equal(1, child:wait(20))
    assert.matches("^lunastalk cancel: nobody took the request within 10 s: .*; the request is withdrawn\n$",
      child:errors())
    assert.equal(0, client:call("EXISTS", key_of(id)))
    queue:delete(id)
  end)

  it("says what to use for jobs that nobody runs", function()
    local id = queue:put "{}"
    assert.same({ 1, "", ("lunastalk cancel: job %s is ready: no worker runs it; lunastalk delete --id %s removes it\n")
      :format(id, id) }, { cancel(id) })
    assert.same({ 1, "", "lunastalk cancel: there is no job 999\n" }, { cancel(999) })
    assert.same({}, client:call("KEYS", "*cancel*"))
    queue:delete(id)
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs { {}, { "--id", "x" }, { "--id", "0" }, { "5" } } do
      assert.equal(64, (lunastalk("cancel", unpack(arguments))))
    end
    assert.equal(78, (worker.lunastalk("cancel", "--id", "1", { cwd = dir })))
  end)
end)
