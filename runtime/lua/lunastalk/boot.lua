-- Puts Lua's side together. Called once, by host.c: returns the function that runs a job and the handlers' names.
local host = require "lunastalk.host"
local dispatch = require "lunastalk.dispatch"
local loader = require "lunastalk.loader"
local log = require "lunastalk.log"

return function()
  local warning = log.warning
  local handlers, names = loader.load(host, package.loaders, _G)
  return dispatch.new(handlers, host.stats, warning), names
end
