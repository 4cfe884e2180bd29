--- What executors may take of memory, and when they are replaced.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local worker = require "spec.support.worker"

local MB = 1024 * 1024

local server = beanstalkd.start()
local queue = server:client()

local function handler(code)
  return "local C, ffi, log = require('ffi').C, require 'ffi', require 'lunastalk.log'\nreturn function(job)\n"
    .. code .. "\nend"
end

local HANDLERS = {
  ["_bootstrap.lua"] = [[require("ffi").cdef [=[
    int getpid(void); int pause(void);
    void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset);
  ]=] ]],
  ["note.lua"] = handler "log.info('ran {n} in {pid}', { n = job.data.n, pid = C.getpid() })",
  ["hoards.lua"] = handler "local all = {} for i = 1, 1e9 do all[i] = ('x'):rep(100000) .. i end",
  ["hoards_small.lua"] = handler "local all = {} for i = 1, 1e9 do all[i] = ('x'):rep(100) .. i end",
  ["hoards_at_once.lua"] = handler "return ('x'):rep(1024 * 1024 * 1024)",
  ["hoards_and_catches.lua"] = handler
    "pcall(function() local all = {} for i = 1, 1e9 do all[i] = ('x'):rep(1000) .. i end end) return false, 'caught'",
  ["fails.lua"] = handler "local text = ('x'):rep(20 * 1024 * 1024) error('with ' .. #text .. ' bytes')",
  ["takes.lua"] = handler [[
    local size = job.data.mb * 1024 * 1024
    ffi.fill(C.mmap(nil, size, 3, 0x22, -1, 0), size, 1) -- not malloc(): a sanitizer would look for its free()
    if job.data.pause then C.pause() end]],
}

local tubes = 0
local function start(executor)
  tubes = tubes + 1
  local tube = "tube" .. tubes
  local config = { worker = { tubes = { tube } }, executor = executor }
  return worker.start { server = server, config = config, jobs = HANDLERS }, tube
end

local function put(tube, name, data)
  return (assert(queue:put(cjson.encode { job = name, data = data }, { tube = tube })))
end

local function failure(w, id)
  return w:log("\n%S+ error [^\n]*was buried: ([^\n]*) server=[^\n]* id=" .. id .. " ([^\n]*)\n", 20)
end

-- Runs a job: the process that ran it.
local notes = 0
local function note(w, tube)
  notes = notes + 1
  jobs.gone(queue, put(tube, "note", { n = notes }))
  return (w:log("ran " .. notes .. " in (%d+)"))
end

describe("executor.memory", function()
  local w, tube = start { memory = "256MB" }

  it("is a clean failure of the job that asks for more; the next is fine", function()
    for _, name in ipairs { "hoards", "hoards_small", "hoards_at_once", "hoards_and_catches" } do
      local reason = failure(w, put(tube, name))
      if name == "hoards_and_catches" then
        assert.truthy(reason == "memory limit of 256 MB" or reason == "caught", reason)
      else
        assert.equal("memory limit of 256 MB", reason)
      end
      note(w, tube)
    end
  end)

  it("kills who takes it outside of Lua", function()
    local before = note(w, tube)
    assert.equal("memory limit of 256 MB", (failure(w, put(tube, "takes", { mb = 400, pause = true }))))
    assert.not_equal(before, note(w, tube))
  end)

  it("is not reached: the record of a failure tells the peak of that job alone", function()
    local _, rest = failure(w, put(tube, "fails"))
    local peak = tonumber(rest:match "peak_memory=(%d+)")
    assert.is_true(peak >= 20 * MB and peak < 80 * MB, "peak_memory=" .. peak)
    assert.equal(0, (w:stop()))
  end)
end)

describe("an executor", function()
  it("is replaced after executor.max_jobs", function()
    local w, tube = start { max_jobs = 5 }
    local runs = {}
    for _ = 1, 23 do
      local pid = note(w, tube)
      runs[pid] = (runs[pid] or 0) + 1
    end
    local executors = 0
    for _, count in pairs(runs) do
      executors = executors + 1
      assert.is_true(count <= 5)
    end
    assert.equal(5, executors)
    assert.equal(0, (w:stop()))
    assert.equal(4, select(2, w:output():gsub(
      " info worker: an executor is replaced: executor.max_jobs is reached jobs=5 ", "")))
    assert.is_nil(w:output():find " error ")
  end)

  it("is replaced above executor.max_memory, once its job is over", function()
    local w, tube = start { max_memory = "150MB" }
    local before = note(w, tube)
    assert.equal(before, note(w, tube))
    jobs.gone(queue, put(tube, "takes", { mb = 200 }))
    local memory = w:log " an executor is replaced: executor.max_memory is reached jobs=%d+ memory=(%d+) workerId="
    assert.is_true(tonumber(memory) > 150 * MB, memory)
    assert.not_equal(before, note(w, tube))
    assert.equal(0, (w:stop()))
    assert.is_nil(w:output():find " error ")
  end)
end)
