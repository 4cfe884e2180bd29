-- Puts Lua's side together. Called once, by host.c: returns the function that runs a job and the handlers' names.
local host = require "lunastalk.host"
local dispatch = require "lunastalk.dispatch"
local loader = require "lunastalk.loader"
local log = require "lunastalk.log"

return function()
  local warning, tmpname = log.warning, os.tmpname
  os.tmpname = function() -- luacheck: ignore 122 (in the directory that is emptied after the job)
    return host.tmpname() or tmpname()
  end
  local handlers, names, middleware, own = loader.load(host, package.loaders, _G)
  return dispatch.new(handlers, host, warning, middleware, own), names
end
