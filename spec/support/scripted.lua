--- A worker and the scripted server that it works for.
local fake = require "spec.support.fake"
local gate = require "spec.support.gate"
local worker = require "spec.support.worker"

local scripted = {}

local handlers = {
  ["ok.lua"] = "return function() end",
  ["bad.lua"] = "return function() return false, 'it is bad' end",
  ["again.lua"] = "return function(job) job:release { delay = 7 } end",
  ["asks.lua"] = "return function(job) print('the tube is ' .. job.tube) end",
  ["gate.lua"] = gate.handler,
}

--- Bodies of jobs for its handlers.
scripted.OK = '{"job":"ok"}'
scripted.BAD = '{"job":"bad"}'
scripted.AGAIN = '{"job":"again"}'
scripted.ASKS = '{"job":"asks"}'

function scripted.at(closed_gate)
  return ('{"job":"gate","data":{"gate":"%s"}}'):format(closed_gate.path)
end

--- Starts both. options: worker (its section of config.yml), reserve_timeout, jobs (more handlers), args.
--- Returns the fake server and the worker.
function scripted.start(options)
  options = options or {}
  local server = fake.listen()
  local jobs = {}
  for _, list in ipairs { handlers, options.jobs or {} } do
    for name, text in pairs(list) do
      jobs[name] = text
    end
  end
  local w = worker.start {
    config = {
      worker = options.worker,
      beanstalkd = { server = server.address, reserve_timeout = options.reserve_timeout },
      callbacks = { serve = false }, -- that is a connection of its own
    },
    jobs = jobs,
    args = options.args,
  }
  return server, w
end

return scripted
