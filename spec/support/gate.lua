--- A handler that runs until the spec says so: it reads a FIFO (`gate.handler`, data.gate is its path).
local fcntl = require "posix.fcntl"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"

local gate = {}
gate.__index = gate

gate.handler = [[
return function(job)
  local fifo = assert(io.open(job.data.gate))
  fifo:read "*a"
  fifo:close()
end
]]

--- A closed one, at `path`.
function gate.new()
  local path = temp.dir() .. "/gate"
  assert(stat.mkfifo(path, tonumber("600", 8)))
  return setmetatable({ path = path }, gate)
end

--- Waits until a handler stands before it.
function gate:wait(seconds)
  self.fd = wait.eventually(seconds or 10, function()
    return fcntl.open(self.path, fcntl.O_WRONLY + fcntl.O_NONBLOCK)
  end, "a handler before the gate")
end

--- Lets that handler go on.
function gate:open()
  unistd.close(self.fd)
end

return gate
