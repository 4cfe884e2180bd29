-- jobs/HANDLER_FILE.lua
--
--   lunastalk test spec/jobs/HANDLER_FILE_spec.lua
--   lunastalk exec HANDLER '{"name": "Ada"}'     (runs a job here)
--   lunastalk put HANDLER '{"name": "Ada"}'      (puts a job for a worker)

local log = require "lunastalk.log"

return {
  -- A job that fails runs again after 10, 20, 40, 80 and 160 seconds; then it is buried, for somebody to look at.
  -- Remove this line when a second run does harm (a payment, say): then the first failure buries it.
  retry = { max = 5, delay = 10 },

  ---@param job lunastalk.Job
  process = function(job)
    local name = job.data.name
    if type(name) ~= "string" then
      job:bury "data.name is no text" -- another run would not help
    end
    log.info("hello, {name}", { name = name })
    -- Done: the job succeeded. It fails with `return false, "why"` and with an error.
  end,
}
