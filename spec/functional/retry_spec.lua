--- Failed jobs: how often they are tried again, when, and what becomes of them.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()

local FAILS = [[ process = function(job)
  require("lunastalk.log").info("runs as attempt {attempt}", { attempt = job.attempt })
  error "no luck"
end }]]

local HANDLERS = {
  ["fails.lua"] = "return { " .. FAILS,
  ["often.lua"] = "return { retry = { max = 2, delay = 5 }, " .. FAILS,
  ["once.lua"] = "return { retry = { max = 1 }, " .. FAILS,
  ["never.lua"] = "return { retry = { max = 0 }, " .. FAILS,
  ["recovers.lua"] = "return { retry = { max = 3 }, process = function(job) return job.attempt == 3, 'not yet' end }",
  ["dies.lua"] = [[
    local ffi = require "ffi"
    ffi.cdef "int getpid(void); int kill(int pid, int number);"
    return { retry = { max = 1 }, process = function() ffi.C.kill(ffi.C.getpid(), 9) end }]],
  ["buries.lua"] = "return { retry = { max = 5 }, process = function(job) job:bury 'hopeless' end }",
  ["asked.lua"] = [[return { retry = { max = 1, delay = 100 }, process = function(job)
    local file = io.open(job.data.told)
    require("lunastalk.log").info("runs as attempt {attempt}", { attempt = job.attempt })
    if file then return false, "told to" end
    job:release { delay = 50 }
  end }]],
}

local w = worker.start {
  server = server, jobs = HANDLERS,
  config = { jobs = { retry = { max = 1, delay = "3s" } } },
}

-- `envelope` beside the handler's name.
local function put(name, envelope, options)
  envelope = envelope or {}
  envelope.job = name
  return (assert(queue:put(cjson.encode(envelope), options)))
end

-- Waits for the record of the last failed attempt: its text up to the id.
local function failure(id, attempt)
  return (w:log("\n%S+ error [%w_]+: (job [^\n]-) server=%S+ id=" .. id .. " tube=default attempt=" .. attempt .. " "))
end

local function count(id, attempt)
  return select(2, w:output():gsub("runs as attempt " .. attempt .. " server=%S+ id=" .. id .. "%f[%D]", ""))
end

-- Waits for the retry of that attempt: the job's stats.
local function retried(id, attempt, of, reason)
  local delay = w:log(("\n%%S+ warning [%%w_]+: job failed, attempt %d of %d, and is retried in (%%d+) s: %s")
    :format(attempt, of, reason or "jobs/%l+.lua:3: no luck") .. " server=%S+ id=" .. id .. " tube=default runtime=")
  local stats = jobs.becomes(queue, id, "delayed")
  assert.same({ tonumber(delay), attempt }, { stats.delay, stats.buries })
  return stats
end

local function buried(id, attempt)
  assert.matches("^job failed and was buried: ", failure(id, attempt))
  assert.equal(attempt, jobs.becomes(queue, id, "buried").buries)
end

describe("a failed job", function()
  it("is tried again as often as its handler says, later and later, and then buried", function()
    local id = put("often", nil, { priority = 77 })
    local first = retried(id, 1, 3)
    assert.same({ 5, 77 }, { first.delay, first.pri })
    queue:kick_job(id)
    local second = retried(id, 2, 3)
    assert.is_true(second.delay >= 9 and second.delay <= 11, "twice as long, ten per cent up or down")
    queue:kick_job(id)
    buried(id, 3)
    assert.equal(77, queue:stats_job(id).pri)
    for attempt = 1, 3 do
      assert.equal(1, count(id, attempt)) -- a kick of a delayed job keeps the round
    end
    w:log("id=" .. id .. " tube=default attempt=3 [^\n]*attempts=3 [^\n]*exception=")
  end)

  it("begins a new round when it is kicked after its burial", function()
    local id = put "once"
    retried(id, 1, 2)
    queue:kick_job(id)
    buried(id, 2)
    queue:kick_job(id)
    wait.eventually(10, function()
      return count(id, 1) == 2
    end, "the first attempt of the second round")
    assert.equal(3, jobs.becomes(queue, id, "delayed").buries)
    queue:kick_job(id)
    wait.eventually(10, function()
      return count(id, 2) == 2
    end, "the second attempt of the second round")
    assert.equal(4, jobs.becomes(queue, id, "buried").buries)
  end)

  it("is tried as its envelope says before its handler, and that before the configuration", function()
    assert.equal(3, retried(put "fails", 1, 2).delay)
    assert.equal(3, retried(put "once", 1, 2).delay)
    local id = put("often", { retry = { max = 1, delay = 8 } })
    assert.equal(8, retried(id, 1, 2).delay)
    assert.equal(5, retried(put("often", { retry = { max = 7 } }), 1, 8).delay)
    assert.equal(8, retried(put("once", { retry = { delay = 8 } }), 1, 2).delay)
    buried(put "never", 1)
    buried(put("often", { retry = { max = 0 } }), 1)
    queue:kick_job(id)
    buried(id, 2)
  end)

  it("is tried by itself, a second later at the soonest", function()
    local id = put("fails", { retry = { max = 2, delay = 0 } })
    local last
    for attempt = 1, 3 do
      w:log("runs as attempt " .. attempt .. " server=%S+ id=" .. id .. "%f[%D]")
      local now = wait.now()
      -- Beanstalkd's clock and ours are read at different moments.
      assert.is_true(not last or now - last > 0.9 and now - last < 3)
      last = now
    end
    buried(id, 3)
  end)

  it("is deleted after the last attempt where its envelope says error.bury: false", function()
    local id = put("often", { retry = { max = 1 }, error = { bury = false } })
    retried(id, 1, 2)
    queue:kick_job(id)
    jobs.gone(queue, id)
    assert.matches("^job failed and was deleted: ", failure(id, 2))
  end)

  it("may succeed at a later attempt", function()
    local id = put "recovers"
    retried(id, 1, 4, "not yet")
    queue:kick_job(id)
    retried(id, 2, 4, "not yet")
    queue:kick_job(id)
    jobs.gone(queue, id)
    assert.is_nil(w:output():find(" error recovers:", 1, true))
  end)

  it("is tried again when its executor died", function()
    local id = put "dies"
    retried(id, 1, 2, "killed by signal 9 %(Killed%)")
    queue:kick_job(id)
    buried(id, 2)
  end)
end)

describe("job:bury", function()
  it("is the last failure, whatever is left", function()
    local id = put "buries"
    assert.equal("job buried by its handler: hopeless", failure(id, 1))
    assert.equal(1, jobs.becomes(queue, id, "buried").buries)
  end)
end)

describe("job:release", function()
  it("counts no attempt", function()
    local told = temp.dir() .. "/told"
    local id = put("asked", { data = { told = told } })
    for release = 1, 3 do
      wait.eventually(10, function()
        return count(id, 1) == release
      end, "run " .. release)
      local stats = jobs.becomes(queue, id, "delayed")
      assert.same({ 50, 0 }, { stats.delay, stats.buries })
      if release == 3 then
        temp.write(told, "")
      end
      queue:kick_job(id)
    end
    assert.is_true(retried(id, 1, 2, "told to").delay >= 90)
  end)
end)

describe("a worker whose jobs fail", function()
  it("counts each failed attempt, and lives", function()
    assert.equal(0, (w:stop()))
    local failures = select(2, w:output():gsub("\n%S+ [we]%l+ [%w_]+: job [^\n]- id=%d+ ", ""))
    assert.equal(failures, tonumber(w:output():match "stopped worker=%S+ jobs=%d+ errors=(%d+) workerId="))
  end)
end)
