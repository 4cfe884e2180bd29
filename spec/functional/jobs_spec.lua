--- The shipped handlers in a real worker, with a real beanstalkd and Redis.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local http_server = require "spec.support.http_server"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server, store, web = beanstalkd.start(), redis.start(), http_server.start()
local queue = server:client()

local options = {
  server = server,
  config = {
    beanstalkd = { server = server.address },
    redis = { server = store.address },
    jobs = { path = assert(stdlib.realpath "jobs") },
    settings = { payments = { url = web:url "/status/201", key = "secret" } },
    log = { { to = "stdout", level = "debug" } },
  },
}

local function put(name, data)
  return assert(queue:put(cjson.encode { job = name, data = data }))
end

local function gone(id)
  wait.eventually(60, function()
    return not queue:stats_job(id)
  end, "the end of job " .. id)
end

-- So many lines in a file packed by gzip, the last of which has two quoted ones.
local function write_csv(count)
  local path = temp.dir() .. "/people.csv"
  local file = assert(io.open(path, "w"))
  file:write "n,name\r\n"
  for n = 1, count do
    file:write(n, n < count and ",Ada\r\n" or ',"""Ada"",\r\nCountess"\r\n')
  end
  file:close()
  assert(process.run { "gzip", path } == 0)
  return path .. ".gz"
end

describe("import_csv", function()
  it("puts 20,000 lines, and none in a second run", function()
    local w, path = worker.start(options), write_csv(20000)
    gone(put("import_csv", { file = path, job = "noop", tube = "rows" }))
    w:log "import_csv: %S+ 20000 jobs for noop were put"
    assert.equal(20000, queue:stats_tube("rows")["current-jobs-ready"])
    gone(put("import_csv", { file = path, job = "noop", tube = "rows" }))
    w:log("import_csv: %S+ 0 jobs for noop were put")
    assert.equal(20000, queue:stats_tube("rows")["total-jobs"])
    local _, body = queue:peek_state("ready", "rows")
    local first = cjson.decode(body)
    assert.same({ job = "noop", data = { import = first.data.import, line = 2, rows = { { n = "1", name = "Ada" } } } },
      first)
    assert.equal(0, (w:stop()))
  end)

  it("goes on where a killed worker stopped", function()
    local w, path = worker.start(options), write_csv(100000)
    local id = put("import_csv", { file = path, job = "noop", tube = "killed" })
    local function there()
      local stats = queue:stats_tube "killed"
      return stats and stats["total-jobs"] or 0
    end
    wait.eventually(30, function() return there() > 2000 end, "the first rows")
    w:kill(signal.SIGKILL)
    w:wait()
    assert.is_true(there() < 100000)
    w = worker.start(options)
    gone(id)
    local total = there()
    assert.is_true(total >= 100000 and total <= 101000, total)
    assert.equal(0, (w:stop()))
  end)
end)

describe("refund", function()
  it("calls the provider once", function()
    local w = worker.start(options)
    gone(put("refund", { order = 7, cents = 1999 }))
    gone(put("refund", { order = 7, cents = 1999 }))
    w:log "refund: order 7 was refunded before"
    assert.equal(1, #web:requests "/status/201/refunds")
    assert.equal(0, (w:stop()))
  end)
end)

describe("http_request", function()
  it("is buried at once for a 404, although it has retries", function()
    local w = worker.start(options)
    local id = put("http_request", { url = web:url "/status/404" })
    w:log "http_request: job buried by its handler: GET %S+/status/404: 404 "
    assert.equal("buried", queue:stats_job(id).state)
    assert.equal(0, (w:stop()))
  end)
end)
