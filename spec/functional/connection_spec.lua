--- lunastalk.connection: the examples of jobs/README.md against real servers that come and go, and the rest with doors
-- that a file opens.
local beanstalkd = require "spec.support.beanstalkd"
local jobs = require "spec.support.jobs"
local postgres = require "spec.support.postgres"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local README = temp.read "jobs/README.md"

local function example(path)
  return assert(README:match("```lua\n(%-%- jobs/" .. path:gsub("%p", "%%%0") .. "\n.-)```"), path)
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- Delays of the releases of a worker, in their order.
local function delays(w)
  local found = {}
  for delay in w:output():gmatch "job released, to run again in (%d+) s: connection" do
    found[#found + 1] = tonumber(delay)
  end
  return found
end

-- Puts jobs one after the other while the server is away, until one has been released for two seconds or more.
local function wait_out(queue, w, put)
  local ids = {}
  wait.eventually(30, function()
    local seen = #delays(w)
    if #ids == 0 or #ids < 50 and seen >= #ids and (delays(w)[seen] or 0) < 3 then
      ids[#ids + 1] = put()
    end
    return (delays(w)[seen] or 0) >= 3
  end, "a delay that has grown")
  for _, id in ipairs(ids) do
    assert.equal(0, tonumber(assert(queue:stats_job(id)).buries)) -- and it is still there
  end
  return ids
end

-- What every real server has to bear: `put` puts a job, `done` tells how many were.
local function survives(server, queue, w, put, done)
  jobs.gone(queue, put(), put(), put())
  assert.equal(3, done())

  server:stop() -- between two jobs, and again before anything is tried
  server:start_again()
  jobs.gone(queue, put())
  assert.equal(1, count(w:output(), "is dead, and is opened again"))

  server:stop()
  local ids = wait_out(queue, w, put)
  local first, last = delays(w)[1], delays(w)[#delays(w)]
  assert.equal(1, first)
  assert.is_true(last > first)
  server:start_again()
  for _, id in ipairs(ids) do
    wait.eventually(30, function() return not queue:stats_job(id) end, "the end of job " .. id)
  end
  assert.equal(0, (w:stop()))
  local output = w:output()
  assert.equal(1, count(output, "cannot be opened: [^\n]*; until it can, jobs that need it are put back"))
  assert.equal(1, count(output, " is back after [%d.]+ s"))
  assert.equal(0, count(output, "job failed"))
  return #ids + 4
end

describe("a connection of redis-lua", function()
  it("is kept, and outlives the server", function()
    local server, store = beanstalkd.start(), redis.start { args = { "--appendonly", "no" } }
    local queue = server:client()
    local w = worker.start {
      server = server,
      config = { beanstalkd = { server = server.address }, settings = { cache = { port = store.port } } },
      jobs = { ["lib/cache.lua"] = example "lib/cache.lua", ["visit.lua"] = example "visit.lua" },
      args = { "--log-level=debug" },
    }
    local function ask(...)
      local client = store:client()
      local answer = client:call(...)
      client:close()
      return answer
    end
    local function visits() return tonumber(ask("HGET", "visits", "/prices")) end
    local function connections()
      return count(ask("CLIENT", "LIST"), "cmd=hincrby")
    end
    local function put() return queue:put(jobs.body("visit", { page = "/prices" })) end
    survives(store, queue, w, put, function()
      assert.equal(1, connections())
      return visits()
    end)
    assert.matches('connection cache is closed: the executor ends [^\n]*opened=%d[^\n]*reopened=%d', w:output())
    wait.eventually(5, function() return connections() == 0 end, "the end of the connection")
  end)
end)

describe("a connection of luadbi to PostgreSQL", function()
  it("is kept, and outlives the server", function()
    local server, database = beanstalkd.start(), postgres.start()
    local queue, number = server:client(), 0
    database:query [[
      CREATE TABLE orders (number integer PRIMARY KEY, cents integer, backend integer DEFAULT pg_backend_pid())]]
    local w = worker.start {
      config = { beanstalkd = { server = server.address }, settings = { database = { port = database.port } } },
      jobs = { ["lib/database.lua"] = example "lib/database.lua", ["order.lua"] = example "order.lua" },
      args = { "--log-level=debug" },
      env = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" }, -- luadbi leaks each failed try
    }
    local function put()
      number = number + 1
      return queue:put(jobs.body("order", { number = number, cents = 1999 }))
    end
    local function orders()
      assert.equal("1", database:query "SELECT count(DISTINCT backend) FROM orders")
      return tonumber(database:query "SELECT count(*) FROM orders")
    end
    local ended = survives(database, queue, w, put, orders)
    assert.equal(tostring(ended), database:query "SELECT count(*) FROM orders")
    assert.equal("3", database:query "SELECT count(DISTINCT backend) FROM orders")
  end)
end)

-- A connection that can be opened while the file `up` is there, and is alive while `alive` is; what is done to it is
-- printed. `close` hangs while there is a file `hang`.
local DOOR = [[
local connection = require "lunastalk.connection"
local function exists(name)
  local file = io.open(name)
  return file and file:close()
end
local opened = 0
connection.define("door", {
  open = function()
    opened = opened + 1
    if not exists "up" then return nil, "nobody opens" end
    print("opened " .. opened)
    return { number = opened }
  end,
  ping = function() return exists "alive" end,
  close = function(door)
    print("closing " .. door.number)
    if exists "hang" then while true do end end
  end,
  idle = IDLE,
})
]]

local HANDLERS = {
  ["uses.lua"] = [[
    local connection = require "lunastalk.connection"
    return function(job)
      local door = connection.get "door"
      assert(door == connection.get "door")
      if job.data.fails then error "the job itself" end
      print("used " .. door.number)
    end]],
  ["catches.lua"] = [[
    local connection = require "lunastalk.connection"
    return { retry = { max = 3, delay = 0 }, process = function(job)
      print("caught " .. tostring(pcall(connection.get, "door")))
      print("again " .. tostring(pcall(connection.get, "door")))
      if job.data.raises then error "and failed" end
      return true
    end }]],
  ["yields.lua"] = [[
    local connection = require "lunastalk.connection"
    return function()
      local thread = coroutine.create(function() connection.get "door" end)
      print("resumed " .. tostring(coroutine.resume(thread)))
      return true
    end]],
  ["forges.lua"] = [[
    local ffi = require "ffi"
    ffi.cdef "long write(int fd, const void *bytes, size_t size); int pause(void);"
    return function(job)
      ffi.C.write(3, "\5\0\0\0\29\1\0\0\0" .. string.char(job.data.answers), 10)
      ffi.C.pause()
    end]],
  ["noop.lua"] = "return function() end",
}

describe("a connection", function()
  local server, queue

  setup(function()
    server = beanstalkd.start()
    queue = server:client()
  end)

  local function start(idle, files, extra)
    local handlers = { ["_bootstrap.lua"] = DOOR:gsub("IDLE", idle) }
    for name, text in pairs(HANDLERS) do
      handlers[name] = text
    end
    local config = { beanstalkd = { server = server.address } }
    for key, value in pairs(extra or {}) do
      config[key] = value
    end
    return worker.start { config = config, jobs = handlers, files = files, args = { "--log-level=debug" } }
  end

  local BOTH = { up = "", alive = "" }

  it("is closed when it is idle, and opened again for the next job", function()
    local w = start("0.2", BOTH)
    for n = 1, 2 do
      local from = w:mark()
      jobs.gone(queue, queue:put '{"job":"uses"}')
      local record = "info [^\n]*connection door is closed: idle for 0.2 s [^\n]*jobs=%d opened=%d reopened=0"
      w:log(record:format(n, n), 10, from)
      w:log("closing " .. n, 10, from)
    end
    assert.equal(0, (w:stop()))
    assert.equal(2, count(w:output(), "closing "))
  end)

  it("is not closed while it is used, nor asked for by a worker that has none", function()
    local w = start("0.2", BOTH)
    local last
    for _ = 1, 60 do
      last = queue:put '{"job":"uses"}'
      jobs.gone(queue, last)
      wait.pause(0.02)
    end
    assert.equal(1, count(w:output(), "opened %d"))
    assert.equal(60, count(w:output(), "used 1"))
    assert.equal(0, (w:stop()))
    assert.equal(1, count(w:output(), "is closed: the executor ends"))
  end)

  it("that is dead is closed and opened again", function()
    local w = start("60", { up = "" })
    jobs.gone(queue, queue:put '{"job":"uses"}', queue:put '{"job":"uses"}')
    w:log "notice [^\n]*connection door is dead, and is opened again: its ping returned nothing"
    w:log "opened 2"
    assert.equal(0, (w:stop()))
    assert.matches("connection door is closed: the executor ends [^\n]*jobs=2 opened=2 reopened=1", w:output())
  end)

  it("whose server is away releases the job, whatever that catches", function()
    local w = start("60", { alive = "" })
    local ids = { queue:put '{"job":"catches"}', queue:put '{"job":"catches","data":{"raises":true}}',
      queue:put '{"job":"yields"}', queue:put '{"job":"uses"}' }
    for _, id in ipairs(ids) do
      w:log(("job released, to run again in 1 s: connection door: nobody opens [^\n]*id=%s"):format(id))
    end
    temp.write(w.dir .. "/up", "")
    for _, id in ipairs { ids[1], ids[3], ids[4] } do
      jobs.gone(queue, id)
    end
    w:log("job failed, attempt 1 of 4") -- its own error, now that the server is there
    assert.equal(0, (w:stop()))
    local output = w:output()
    assert.equal(1, count(output, "warning [^\n]*connection door cannot be opened: nobody opens"))
    assert.equal(1, count(output, "notice [^\n]*connection door is back"))
    assert.matches("caught false", output)
    assert.matches("again false", output)
    assert.matches("resumed false", output)
    queue:command("delete " .. ids[2])
  end)

  it("whose close hangs costs the executor and no job", function()
    local w = start("0.2", { up = "", alive = "", hang = "" })
    jobs.gone(queue, queue:put '{"job":"uses"}')
    w:log "closing 1"
    local waits = queue:put '{"job":"noop"}'
    w:log("error [^\n]*an executor is replaced: a connection did not close within 5 s", 15)
    jobs.gone(queue, waits)
    assert.equal(0, (w:stop()))
    assert.equal(0, count(w:output(), "job failed"))
  end)

  it("whose close hangs at the end does not hold it up", function()
    local w = start("60", { up = "", alive = "", hang = "" })
    jobs.gone(queue, queue:put '{"job":"uses"}')
    local before = wait.now()
    assert.equal(0, (w:stop()))
    assert.is_true(wait.now() - before < 5)
    assert.matches("closing 1", w:output())
  end)

  it("that nobody rang for, or that answers as nobody does, ends the executor", function()
    local w = start("60", BOTH)
    for answers = 1, 2 do
      local id = queue:put(jobs.body("forges", { answers = answers }))
      jobs.becomes(queue, id, "buried")
      w:log("job failed and was buried: it wrote a malformed frame to the wire [^\n]*id=" .. id)
      queue:command("delete " .. id)
    end
    assert.equal(0, (w:stop()))
  end)

  it("is closed before its executor is replaced", function()
    local w = start("60", BOTH, { executor = { max_jobs = 2 } })
    jobs.gone(queue, queue:put '{"job":"uses"}', queue:put '{"job":"uses"}')
    w:log "closing 1"
    jobs.gone(queue, queue:put '{"job":"uses"}')
    assert.equal(0, (w:stop()))
    assert.equal(2, count(w:output(), "closing 1"))
  end)

  it("is no excuse for a job that takes too long, or too much memory, to open it", function()
    local w = worker.start {
      config = { beanstalkd = { server = server.address }, executor = { memory = "64MB" } },
      jobs = { ["opens.lua"] = [[
        local connection = require "lunastalk.connection"
        connection.define("slow", { open = function()
          local ends = os.clock() + 30
          repeat pcall(string.rep, "x") until os.clock() > ends
        end })
        connection.define("large", { open = function() return ("x"):rep(200 * 1024 * 1024) end })
        return { timeout = 0.5, process = function(job) connection.get(job.data.name) end }]] },
    }
    for name, reason in pairs { slow = "timed out after 0%.5 s", large = "memory limit of 64 MB" } do
      local id = queue:put(jobs.body("opens", { name = name }))
      jobs.becomes(queue, id, "buried")
      w:log("error opens: job failed and was buried: [^\n]*" .. reason .. "[^\n]* id=" .. id .. " ")
      queue:delete(id)
    end
    assert.equal(0, (w:stop()))
  end)

  it("is open for the job that opened it, however soon it is idle", function()
    local w = start("1e-9", BOTH)
    jobs.gone(queue, queue:put '{"job":"uses"}')
    w:log "closing 1"
    assert.equal(0, (w:stop()))
  end)

  it("is there for lunastalk exec and in tests", function()
    local dir = worker.project {
      jobs = { ["_bootstrap.lua"] = DOOR:gsub("IDLE", "60"), ["uses.lua"] = HANDLERS["uses.lua"] },
      files = { alive = "", ["spec/uses_spec.lua"] = [[
        local testing = require "lunastalk.testing"
        it("uses the door", function()
          testing.connection "door"
          testing.perform "uses"
          assert.released(1)
          io.open("up", "w"):close()
          testing.perform "uses"
          assert.succeeded()
          assert.logged("info", "connection door is closed")
          testing.connection("door", { number = 9 })
          testing.perform "uses"
          assert.succeeded()
          os.remove "up"
        end)]] },
    }
    local code, output, errors = worker.lunastalk("test", "-o", "plainTerminal", { cwd = dir })
    assert.equal(0, code, output .. errors)
    assert.matches("1 success", output)
    output = select(2, worker.lunastalk("exec", "--allow-root", "uses", { cwd = dir }))
    assert.matches("outcome +unavailable: connection door: nobody opens", output)
    assert.matches("policy +would be released, to run again in 1 s", output)
    temp.write(dir .. "/up", "")
    code, output, errors = worker.lunastalk("exec", "--allow-root", "uses", { cwd = dir })
    assert.equal(0, code, output .. errors)
    assert.matches("closing 1", errors)
  end)
end)
