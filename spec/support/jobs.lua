--- Jobs as the server sees them.
local cjson = require "cjson"
local wait = require "spec.support.wait"

local jobs = {}

--- The body of an envelope.
function jobs.body(name, data)
  return cjson.encode { job = name, data = data }
end

--- Waits until none of the jobs exists any more.
function jobs.gone(client, ...)
  for _, id in ipairs { ... } do
    wait.eventually(10, function()
      return not client:stats_job(id)
    end, "the end of job " .. id)
  end
end

--- Waits until a job is "ready", "reserved", "delayed" or "buried"; returns its stats.
function jobs.becomes(client, id, state)
  return wait.eventually(10, function()
    local stats = client:stats_job(id)
    return stats and stats.state == state and stats
  end, ("job %s to be %s"):format(id, state))
end

return jobs
