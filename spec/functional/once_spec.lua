--- job:once where Redis cannot be asked: nobody ever hears that he is the first.
local beanstalkd = require "spec.support.beanstalkd"
local jobs = require "spec.support.jobs"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()

local w = worker.start {
  server = server,
  jobs = {
    ["asks.lua"] = "return function(job) job:once 'order:7' print 'first' end",
    ["catches.lua"] = "return function(job) print(pcall(job.once, job, 'order:7', 60)) return true end",
    ["loses.lua"] = [[
      local function wait() while true do os.time() end end
      jit.off(wait) -- what is compiled cannot be interrupted
      return function(job)
        print 'begun'
        print(pcall(wait))
        print(pcall(job.once, job, 'order:7'))
      end]],
  },
}

describe("job:once without Redis", function()
  it("fails the job", function()
    local id = assert(queue:put(jobs.body "asks"))
    jobs.becomes(queue, id, "buried")
    w:log("error asks: job failed and was buried: jobs/asks.lua:1: job:once: redis away: no redis is configured "
      .. "server=%S+ id=" .. id)
  end)

  it("is no first to a handler that catches the error", function()
    local id = assert(queue:put(jobs.body "catches"))
    jobs.gone(queue, id)
    w:log "catches: false\\t[^\n]*job:once: redis away: no redis is configured "
  end)

  it("is no first to a job that has lost its reservation", function()
    assert(queue:put(jobs.body "loses"))
    w:log "loses: begun"
    server:stop()
    w:log "loses: false\\tits reservation was lost"
    w:log "loses: false\\t[^\n]*job:once: the reservation of the job is lost "
    assert.equal(0, (w:stop()))
    assert.is_nil(w:output():find ": first ")
  end)
end)
