--- A server whose binlog has no room: what it says to be unable to store, it has lost until its restart.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local HANDLERS = {
  ["note.lua"] = "return function(job) print('ran ' .. job.data.n) end",
  ["releases.lua"] = "return function(job) io.open(job.data.barrier):read(1) job:release { delay = 100 } end",
  ["fails.lua"] = "return function(job) io.open(job.data.barrier):read(1) return false, 'no' end",
  ["retries.lua"] = [[return { retry = { max = 3 }, process = function(job)
    io.open(job.data.barrier):read(1)
    return false, 'no'
  end }]],
}

-- A server that cannot make another file for its binlog, as on a full disk but for any user: the directory is gone.
local full = {}
full.__index = full

function full.start()
  local dir = temp.dir() .. "/binlog"
  assert(os.execute("mkdir " .. dir) == 0)
  local server = beanstalkd.start { binlog = dir }
  return setmetatable({ dir = dir, server = server, client = server:client() }, full)
end

-- Fills the present file up to the last record.
function full:fill()
  assert(os.rename(self.dir, self.dir .. ".away"))
  for _, size in ipairs { 60000, 1000, 1 } do
    repeat
      local id, problem = self.client:put(("x"):rep(size), { tube = "filler" })
    until not id and assert.equal("OUT_OF_MEMORY", problem)
  end
end

function full:room()
  assert(os.rename(self.dir .. ".away", self.dir))
end

local function put(client, name, data, options)
  return (assert(client:put(cjson.encode { job = name, data = data }, options)))
end

describe("a server that cannot store", function()
  for name, answer in pairs { fails = "INTERNAL_ERROR", releases = "OUT_OF_MEMORY", retries = "INTERNAL_ERROR" } do
    it("is left alone until it can, after a job that " .. name, function()
      local disk, closed = full.start(), barrier.new()
      local client = disk.client
      local w = worker.start { server = disk.server, config = { worker = { executors = 2 } }, jobs = HANDLERS }
      local second_door = barrier.new()
      local lost = put(client, name, { barrier = closed.path })
      local second = put(client, name, { barrier = second_door.path })
      wait.eventually(10, function()
        return client:jobs().reserved == 2
      end, "both jobs to run")
      -- Else one of these is asked for in the very write whose answer tells of the full disk.
      assert.equal("PAUSED", (client:command "pause-tube default 3600"))
      local later = {}
      for n = 1, 3 do
        later[n] = put(client, "note", { n = n })
      end
      disk:fill()
      closed:open()
      w:log("critical worker: beanstalkd at %S+ cannot store %(disk full%?%): it answered " .. answer .. " for job "
        .. lost .. ", which it has lost until its restart; no job is reserved until it can")
      assert.equal("PAUSED", (client:command "pause-tube default 0"))
      second_door:open()
      assert.equal(0, jobs.becomes(client, second, "ready").buries)
      assert.equal(1 + #later, client:jobs().ready)
      local reserves = client:stats()["cmd-reserve-with-timeout"]
      wait.pause(1.5) -- at least one probe is refused meanwhile
      assert.equal(reserves, client:stats()["cmd-reserve-with-timeout"])
      assert.equal(1, select(2, w:output():gsub(" critical ", "")))
      assert.is_nil(w:output():find "ran 1")
      disk:room()
      w:log "notice worker: beanstalkd at %S+ stores again: jobs are reserved"
      jobs.gone(client, unpack(later))
      jobs.becomes(client, second, name == "fails" and "buried" or "delayed")
      assert.equal(0, (w:stop()))
      disk.server:stop()
      disk.server:start_again()
      assert.truthy(disk.server:client():stats_job(lost))
    end)
  end

  it("and has switched its binlog off is an alert", function()
    local server, closed = beanstalkd.start { binlog = true }, barrier.new()
    local client = server:client()
    local w = worker.start { server = server, jobs = HANDLERS }
    put(client, "fails", { barrier = closed.path })
    wait.eventually(10, function()
      return client:jobs().reserved == 1
    end, "the job to run")
    server:break_writes()
    closed:open()
    w:log "critical worker: beanstalkd at %S+ cannot store"
    w:log "notice worker: beanstalkd at %S+ stores again: jobs are reserved"
    w:log("alert worker: beanstalkd at " .. server.address .. " has switched its binlog off after a write error: until "
      .. "it is restarted it keeps jobs in memory only")
    jobs.gone(client, put(client, "note", { n = 1 }))
    assert.equal(0, (w:stop()))
  end)
end)
