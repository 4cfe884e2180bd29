--- A shipped handler without its executor: what it requires of the runtime is replaced by the least that serves.
local handler = {}

handler.settings = {}
package.loaded["lunastalk.settings"] = handler.settings
package.loaded["lunastalk.json"] = { null = require("cjson").null }
package.loaded["lunastalk.log"] = setmetatable({}, {
  __index = function()
    return function() end
  end,
})

--- Loads jobs/NAME.lua; the function returned takes data (and an id) and returns what the handler returns.
function handler.load(name)
  local process = dofile("jobs/" .. name .. ".lua")
  return function(data, id)
    return process { name = name, id = id or "7", server = "127.0.0.1:11300", data = data }
  end
end

return handler
