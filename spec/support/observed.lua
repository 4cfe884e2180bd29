--- Workers beside a beanstalkd and a Redis, each with a tube and a number of its own.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local redis = require "spec.support.redis"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local observed = {}

local HANDLERS = {
  ["ok.lua"] = "return function() end",
  ["bad.lua"] = "return function() error('no paper', 0) end",
  ["tries.lua"] = "return { retry = { max = 1, delay = 1 }, process = function() return false, 'no ink' end }",
  ["dies.lua"] = [[
    require("ffi").cdef "int getpid(void); int kill(int pid, int number);"
    return function()
      require("lunastalk.log").warning("soon")
      require("ffi").C.kill(require("ffi").C.getpid(), 9)
    end]],
  ["waits.lua"] = [[return function(job)
    job:progress { step = 3 }
    io.open(job.data.barrier):read(1)
  end]],
  ["spins.lua"] = "return function() while true do end end",
  ["twice.lua"] = [[
    local log = require "lunastalk.log"
    return function(job)
      log.notice(pcall(job.once, job, job.data.key, 60) and "answered" or "not answered")
      io.open(job.data.barrier):read(1)
      log.notice("first {first}", { first = job:once(job.data.key, 60) })
    end]],
  ["stubborn.lua"] = [[
    local log = require "lunastalk.log"
    local function spin(door) while not io.open(door) do end end
    jit.off(spin)
    return function(job)
      log.notice("first {first}", { first = job:once(job.data.key, 60) })
      pcall(spin, job.data.door)
      spin(job.data.door)
    end]],
  ["once.lua"] = [[return function(job)
    require("lunastalk.log").notice "asks"
    local first = job:once(job.data.key, 60)
    require("lunastalk.log").notice("first {first}", { first = first })
    return not job.data.fails, "failed after once"
  end]],
  ["holds.lua"] = [[
    local log = require "lunastalk.log"
    local function wait(said) log.notice(said) while true do os.time() end end
    jit.off(wait) -- what is compiled cannot be interrupted
    return function(job)
      job:once(job.data.key, 60)
      pcall(wait, "holds")
      if job.data.stubborn then wait "interrupted" end
      return not job.data.fails, "was interrupted"
    end]],
}

--- The servers of all workers that name no others, and a connection to each.
observed.server = beanstalkd.start()
observed.queue = observed.server:client()
observed.store = redis.start()
observed.db = observed.store:client()

local tubes = 0

--- A worker that has loaded HANDLERS. options: store (a Redis), server (a beanstalkd), config, args, files. Fields of
--- its own: tube, id.
function observed.start(options)
  options = options or {}
  tubes = tubes + 1
  local config = options.config or {}
  config.redis = config.redis or { server = (options.store or observed.store).address }
  config.heartbeat = config.heartbeat or { every = "200ms" }
  config.worker = config.worker or {}
  config.worker.tubes = { "tube" .. tubes }
  local w = worker.start {
    server = options.server or observed.server, jobs = HANDLERS, config = config, args = options.args or { tubes },
    files = options.files,
  }
  w:log "handlers are loaded"
  w.tube, w.id = "tube" .. tubes, w:output():match "starts as (%S+)"
  return w
end

--- Puts a job for the worker; returns its id. `envelope` has what else stands in it.
function observed.put(w, name, envelope)
  envelope = envelope or {}
  envelope.job = name
  return (assert(observed.queue:put(cjson.encode(envelope), { tube = w.tube })))
end

--- The worker's heartbeat as it stands in Redis, or nil.
function observed.beat(w, connection)
  local field = (connection or observed.db):call("HGET", "workers.heartbeat", w.id)
  return field and cjson.decode(field)
end

--- Waits for a heartbeat that `check` likes.
function observed.beats(w, check, what, connection)
  return wait.eventually(10, function()
    local told = observed.beat(w, connection)
    return told and check(told) and told
  end, what or "a heartbeat")
end

--- How often Redis has refused this command.
function observed.refusals(connection, command)
  local line = connection:call("INFO", "commandstats"):match("cmdstat_" .. command .. ":([^\r]*)") or ""
  return (tonumber(line:match "rejected_calls=(%d+)") or 0) + (tonumber(line:match "failed_calls=(%d+)") or 0)
end

--- Waits until it has refused so many writes of heartbeats since now.
function observed.refused(connection, count)
  local before = observed.refusals(connection, "hset")
  wait.eventually(20, function()
    return observed.refusals(connection, "hset") >= before + count
  end, count .. " refused heartbeats")
end

--- For beats().
function observed.is(status)
  return function(told)
    return told.status == status
  end
end

--- Waits until the worker has run a job.
function observed.runs(w)
  local id = observed.put(w, "ok")
  wait.eventually(10, function()
    return not observed.queue:stats_job(id)
  end, "the end of a job")
end

return observed
