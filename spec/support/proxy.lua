--- A process between workers and beanstalkd that writes down all that passes, and breaks connections when told.
--- chaos/wire.lua reads the record.
local client = require "spec.support.client"
local process = require "spec.support.process"
local temp = require "spec.support.temp"

local proxy = {}
proxy.__index = proxy

--- Starts one in front of `upstream` ("host:port") with so many `doors`: addresses of its own ("host:port"), which the
--- record tells apart. `seed` decides what it breaks. Fields: doors, record (a path).
function proxy.start(upstream, doors, seed)
  local record = temp.dir() .. "/wire"
  local self = setmetatable({ record = record, doors = {} }, proxy)
  self.process = process.spawn { "luajit", "spec/support/proxy_main.lua", upstream, tostring(doors), record,
    tostring(seed or 1) }
  local output = self.process:expect "^(.*)ready\n"
  for port in output:gmatch "door (%d+)\n" do
    table.insert(self.doors, "127.0.0.1:" .. port)
  end
  self.control = assert(client.connect("127.0.0.1:" .. output:match "control (%d+)\n"))
  return self
end

local function ask(self, line)
  self.control:send(line .. "\n")
  return tonumber(self.control:line())
end

--- Cuts some connection: "now", or in the midst of what goes "up" to the server or "down" from it next. Returns its
--- number in the record; nil when there is none.
function proxy:cut(how)
  return ask(self, "cut " .. how)
end

--- Passes nothing on of some connection for so long; returns its number, as above.
function proxy:freeze(seconds)
  return ask(self, ("freeze %g"):format(seconds))
end

--- Thaws what is frozen, forgets what was to be cut.
function proxy:heal()
  ask(self, "heal")
end

--- Closes everything; the record is complete.
function proxy:stop()
  ask(self, "stop")
  self.process:wait()
end

return proxy
