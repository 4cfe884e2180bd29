--- The middleware of jobs/README.md, in a worker.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local http_server = require "spec.support.http_server"
local jobs = require "spec.support.jobs"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local EXAMPLE = assert(temp.read("jobs/README.md"):match "```lua\n(%-%- jobs/_middleware.lua\n.-)```")

describe("the middleware that reports errors", function()
  it("posts what failed, and changes nothing of how jobs end", function()
    local server, tracker = beanstalkd.start(), http_server.start()
    local queue = server:client()
    local w = worker.start {
      config = { beanstalkd = { server = server.address }, settings = { tracker = tracker:url "/errors" } },
      jobs = {
        ["_middleware.lua"] = EXAMPLE,
        ["fine.lua"] = "return function() return true end",
        ["raises.lua"] = "return function() error 'no ink' end",
        ["refuses.lua"] = "return function() return false, 'no paper' end",
        ["releases.lua"] = "return function(job) job:release(600) end",
      },
    }
    local ids = {}
    for name, state in pairs { raises = "buried", refuses = "buried", releases = "delayed" } do
      ids[name] = queue:put(cjson.encode { job = name })
      jobs.becomes(queue, ids[name], state)
    end
    jobs.gone(queue, queue:put '{"job":"fine"}')
    assert.equal(0, (w:stop()))
    local found = {}
    for _, request in ipairs(tracker:requests "/errors") do
      local report = cjson.decode(request.body)
      found[report.job] = report
      assert.equal("application/json", request.headers["content-type"])
    end
    assert.same({ raises = true, refuses = true }, { raises = found.raises ~= nil, refuses = found.refuses ~= nil,
      fine = found.fine, releases = found.releases })
    assert.same({ "no paper", 1, ids.refuses }, { found.refuses.message, found.refuses.attempt, found.refuses.id })
    assert.matches("^jobs/raises.lua:1: no ink\nstack traceback:", found.raises.message)
    assert.matches("error raises: job failed and was buried: jobs/raises.lua:1: no ink ", w:output())
    assert.matches("error refuses: job failed and was buried: no paper ", w:output())
  end)
end)
