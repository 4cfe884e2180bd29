--- Thousands of time limits, crashes and kills, and what they leave. JOBS (1500; 300 with sanitizers) is how many jobs
--- the long ones run, SEED what their random numbers come from.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local dirent = require "posix.dirent"
local jobs = require "spec.support.jobs"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local JOBS = tonumber(os.getenv "JOBS") or os.getenv "ASAN_OPTIONS" and 300 or 1500
local SEED = tonumber(os.getenv "SEED") or os.time()
local KILLS, SECONDS = 50, 600

local server = beanstalkd.start()
local queue = server:client()
local body = jobs.body

-- A sanitizer must not take for its own what handlers do to the executor.
local sanitizer = temp.dir()
temp.write(sanitizer .. "/lunastalk-executor", "handle_segv=0:handle_abort=0:detect_leaks=0")
local ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":include_if_exists=" .. sanitizer .. "/%b"

-- mark(...) writes its arguments as one line: O_APPEND keeps lines whole.
local BOOTSTRAP = [[
local C = require("ffi").C
require("ffi").cdef [=[
  struct timespec { long s, ns; };
  int clock_gettime(int clock, struct timespec *now); int getpid(void); int kill(int pid, int number);
]=]
function package.loaded.mark(...)
  local file = assert(io.open("marks", "a"))
  file:write(table.concat({ ... }, " "), "\n")
  file:close()
end
function package.loaded.now()
  local now = require("ffi").new "struct timespec"
  C.clock_gettime(1, now)
  return tonumber(now.s) + tonumber(now.ns) / 1e9
end]]

local HANDLERS = {
  ["_bootstrap.lua"] = BOOTSTRAP,
  ["note.lua"] = "local mark = require 'mark' return function(job) mark('begin', job.id) mark('end', job.id) end",
  ["waits.lua"] = [[
    local C, mark, now = require("ffi").C, require "mark", require "now"
    return function(job)
      mark(("%.9f %d"):format(now(), C.getpid()))
      io.open(job.data.barrier):read(1)
    end]],
}

-- Handlers with a limit that most of their jobs end at, a little before or a little after.
local LIMITS_MS = { 5, 10, 20 }
for _, ms in ipairs(LIMITS_MS) do
  HANDLERS["limit_" .. ms .. ".lua"] = ([[
    local mark, now = require "mark", require "now"
    return {
      timeout = %g,
      process = function(job)
        mark("begin", job.id)
        local till = now() + job.data.run
        while now() < till do end
        mark("end", job.id)
      end,
    }]]):format(ms / 1000)
end

-- What ends its executor, with a file in the job's directory and sometimes a program that goes on.
local CRASHES = {
  exits = "os.exit(3)",
  null_pointer = "ffi.cast('int *', 0)[0] = 1",
  kills_itself = "C.kill(C.getpid(), 9)",
  lives = "",
}
for name, code in pairs(CRASHES) do
  HANDLERS[name .. ".lua"] = [[
    local ffi = require "ffi"
    local C = ffi.C
    return function(job)
      if job.data.tempdir then io.open(job:tempdir() .. "/file", "w"):close() end
      if job.data.program then os.execute "exec sleep 1000 &" end
    ]] .. code .. " end"
end

local tubes = 0
local function start(settings)
  tubes = tubes + 1
  settings.tubes = { "tube" .. tubes }
  local dir = temp.dir()
  local w = worker.start {
    server = server, jobs = HANDLERS, files = { marks = "" },
    config = { worker = settings, log = { { to = "stdout", level = "warning" } } },
    env = { TMPDIR = dir, ASAN_OPTIONS = ASAN_OPTIONS },
  }
  w.tube, w.tmp = settings.tubes[1], dir
  return w
end

local function put(w, name, data)
  return (assert(queue:put(body(name, data), { tube = w.tube })))
end

local function marks(w)
  local lines = {}
  for line in temp.read(w.dir .. "/marks"):gmatch "([^\n]+)\n" do
    table.insert(lines, line)
    lines[line] = (lines[line] or 0) + 1
  end
  return lines
end

local function drained(w)
  wait.eventually(SECONDS, function()
    local left = queue:jobs(w.tube)
    return left.ready + left.reserved + left.delayed == 0
  end, "an empty queue")
end

-- The processes that stand in the worker's directory: all that it and its jobs have started, zombies apart.
local function family(w)
  local pids = {}
  for pid in dirent.files "/proc" do
    if tonumber(pid) and unistd.readlink("/proc/" .. pid .. "/cwd") == w.dir then
      table.insert(pids, pid)
    end
  end
  return pids
end

local function children(w)
  return select(2, temp.read(("/proc/%d/task/%d/children"):format(w.pid, w.pid)):gsub("%d+", ""))
end

-- What a worker has: descriptors (those of its connections, one or two, apart), processes, files.
local function possessions(w)
  local files = io.popen("find " .. w.tmp .. " | wc -l")
  local count = tonumber(files:read "*a")
  files:close()
  return {
    descriptors = #dirent.dir(("/proc/%d/fd"):format(w.pid)) - queue:stats()["current-connections"],
    children = children(w), family = #family(w), files = count,
  }
end

describe("a limit that expires when the job ends", function()
  it(("ends it or does not: none is half run, none runs twice (%d jobs, SEED=%d)"):format(JOBS, SEED), function()
    math.randomseed(SEED)
    local w = start { executors = 2 }
    local limited, notes = {}, {}
    for _ = 1, JOBS do
      local ms = LIMITS_MS[math.random(#LIMITS_MS)]
      -- The runtime looks every 10 ms: a limit strikes within that behind its time, and the ends are spread over it.
      table.insert(limited, put(w, "limit_" .. ms, { run = (ms + math.random() * 14 - 2) / 1000 }))
      table.insert(notes, put(w, "note"))
    end
    drained(w)
    local found, records, timed_out = marks(w), {}, 0
    for record, id in w:output():gmatch "(%S+ error [^\n]- id=(%d+) [^\n]*)\n" do
      records[id] = record
    end
    local function check(id, right, what)
      assert.is_true(right, right or ("job %s %s (SEED=%d): %s"):format(id, what, SEED, tostring(records[id])))
    end
    for _, id in ipairs(limited) do
      local stats, stopped = queue:stats_job(id), (records[id] or ""):find "timed out after 0%.0%d+ s " ~= nil
      check(id, found["begin " .. id] == 1, "did not run once")
      if stats then
        timed_out = timed_out + 1
        check(id, stats.state == "buried" and stopped, "failed, but not at its limit")
      else
        check(id, found["end " .. id] == 1 and not stopped, "was deleted half run")
      end
    end
    for _, id in ipairs(notes) do
      check(id, found["begin " .. id] == 1 and found["end " .. id] == 1 and not records[id], "did not run once")
      check(id, not queue:stats_job(id), "is still there")
    end
    assert.is_true(timed_out > JOBS / 10 and timed_out < JOBS * 9 / 10, timed_out .. " timed out")
    assert.equal(0, (w:stop()))
  end)
end)

describe("a crash", function()
  it(("leaves nothing: %d jobs, a third of them crash"):format(JOBS), function()
    math.randomseed(SEED)
    local w = start {}
    local names = {}
    for name in pairs(CRASHES) do
      table.insert(names, name ~= "lives" and name or nil)
    end
    table.sort(names)
    put(w, "exits", { tempdir = true })
    put(w, "lives", { tempdir = true })
    drained(w)
    local before = wait.eventually(10, function()
      local has = possessions(w)
      return has.family == 2 and has
    end, "one executor")
    for n = 1, JOBS do
      put(w, n % 3 == 0 and names[math.random(#names)] or "lives", {
        tempdir = math.random(2) == 1, program = n % 3 == 0 and math.random(10) == 1,
      })
    end
    drained(w)
    local crashed = math.floor(JOBS / 3) + 1
    assert.equal(crashed, queue:jobs(w.tube).buried)
    local last = put(w, "lives", { tempdir = true })
    jobs.gone(queue, last)
    local after
    pcall(wait.eventually, 10, function()
      after = possessions(w)
      return pcall(assert.same, before, after)
    end, "no more than before")
    assert.same(before, after)
    assert.is_nil(w:output():match "[^\n]* critical [^\n]*")
    assert.equal(0, (w:stop()))
    assert.equal(0, #family(w))
  end)
end)

describe("an executor that is killed", function()
  it("is replaced at once: the next job starts", function()
    local w, closed, took = start {}, barrier.new(), {}
    for _ = 0, KILLS do
      put(w, "waits", { barrier = closed.path })
    end
    local function started(n)
      local line = wait.eventually(10, function()
        return marks(w)[n]
      end, "the start of job " .. n)
      return line:match "^(%S+) (%d+)$"
    end
    local _, pid = started(1)
    for n = 1, KILLS do
      local killed = wait.now()
      signal.kill(tonumber(pid), signal.SIGKILL)
      local at, successor = started(n + 1)
      table.insert(took, tonumber(at) - killed)
      pid = successor
    end
    table.sort(took)
    local p50, p99 = took[math.ceil(KILLS * 0.5)], took[math.ceil(KILLS * 0.99)]
    print(("\nkilled to the next job's start: p50 %.1f ms, p99 %.1f ms"):format(p50 * 1000, p99 * 1000))
    assert.is_true(p99 < 1)
    closed:open()
    drained(w)
    assert.equal(0, (w:stop()))
  end)
end)
