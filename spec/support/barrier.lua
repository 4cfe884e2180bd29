--- Holds any number of handlers until the spec lets them pass: a file whose readers wait.
--- In a handler: io.open(job.data.barrier):read(1).
local cleanup = require "spec.support.cleanup"
local fcntl = require "posix.fcntl"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"

local barrier = {}
barrier.__index = barrier

--- A closed one. Field: path.
function barrier.new()
  local path = temp.dir() .. "/barrier"
  assert(stat.mkfifo(path, tonumber("666", 8)))
  local self = setmetatable({ path = path, fd = assert(fcntl.open(path, fcntl.O_RDWR)) }, barrier)
  cleanup(function()
    self:open()
  end)
  return self
end

--- Lets all pass that wait, and all that come later.
function barrier:open()
  if self.fd then
    assert(os.rename(temp.write(self.path .. ".open", ""), self.path))
    unistd.close(self.fd)
    self.fd = nil
  end
end

return barrier
