--- A real beanstalkd on a free port of 127.0.0.1 (or on a unix socket).
local client = require "spec.support.client"
local process = require "spec.support.process"
local signal = require "posix.signal"
local socket = require "socket"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local beanstalkd = {}
beanstalkd.__index = beanstalkd

--- A port that was free a moment ago.
function beanstalkd.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

local function answers(address)
  local connection = client.connect(address)
  if connection then
    local stats = connection:stats()
    connection:close()
    return stats
  end
end

-- False when another process took the port in the meantime.
local function launch(self)
  self.process = process.spawn(self.argv, { user = self.user })
  return wait.eventually(10, function()
    if not self.process:running() then
      return "ended"
    end
    return answers(self.address) and "answers"
  end, "an answer of beanstalkd on " .. self.address) == "answers"
end

local function prepare(self, options)
  -- A write over a limit of its own (break_writes) shall fail, not kill.
  self.argv = { "sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", "beanstalkd" }
  local function add(...)
    for _, argument in ipairs { ... } do
      table.insert(self.argv, tostring(argument))
    end
  end
  if options.unix then
    self.address = "unix:" .. (options.unix == true and temp.dir() .. "/beanstalkd.sock" or options.unix)
    add("-l", self.address)
  else
    self.port = options.port or beanstalkd.free_port()
    self.address = "127.0.0.1:" .. self.port
    add("-l", "127.0.0.1", "-p", self.port)
  end
  if options.binlog then
    self.binlog = self.binlog or (options.binlog == true and temp.dir() or options.binlog)
    add("-b", self.binlog, "-f", options.fsync_ms or 0)
  end
  if options.max_job_size then
    add("-z", options.max_job_size)
  end
end

--- From now on no write to its binlog succeeds.
function beanstalkd:break_writes()
  assert(os.execute("prlimit --fsize=0 --pid " .. self.process.pid) == 0)
end

--- Starts one and waits until it answers. options: port; unix (true or a path); binlog (true or a directory);
--- fsync_ms (0: at each write); max_job_size in bytes. Fields: address ("127.0.0.1:PORT" or "unix:PATH"), port, binlog,
--- process.
function beanstalkd.start(options)
  options = options or {}
  local self = setmetatable({}, beanstalkd)
  for _ = 1, options.port and 1 or 5 do
    prepare(self, options)
    if launch(self) then
      return self
    end
  end
  error("beanstalkd does not start:\n" .. self.process:output(), 2)
end

--- A connection of its own to this server.
function beanstalkd:client()
  return assert(client.connect(self.address))
end

--- Ends it (SIGTERM, or the signal given) and waits.
function beanstalkd:stop(number)
  self.process:kill(number or signal.SIGTERM)
  self.process:wait(10)
end

--- Starts it again at the same address after :stop().
function beanstalkd:start_again()
  assert(launch(self), "beanstalkd does not start again on " .. self.address)
end

--- A server that hangs: the kernel still accepts connections for it.
function beanstalkd:pause()
  self.process:pause()
end

function beanstalkd:continue()
  self.process:continue()
end

return beanstalkd
