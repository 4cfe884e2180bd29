--- A real PostgreSQL on a free port of 127.0.0.1, with the database and the superuser `postgres` and no password.
local beanstalkd = require "spec.support.beanstalkd"
local cleanup = require "spec.support.cleanup"
local process = require "spec.support.process"
local signal = require "posix.signal"
local socket = require "socket"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"

local postgres = {}
postgres.__index = postgres

-- It does not run as root; its package has made it a user.
local user = unistd.geteuid() == 0 and "postgres" or nil

local function run(argv, options)
  options = options or {}
  options.user = user
  local code, output, errors = process.run(argv, options)
  assert(code == 0, table.concat(argv, " ") .. ":\n" .. output .. errors)
  return output
end

-- Debian has the server's programs outside of the PATH.
local function binaries()
  return run({ "sh", "-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1" }):match "%S+" or ""
end

local function launch(self)
  self.process = process.spawn({
    self.bin .. "/postgres", "-D", self.dir .. "/data", "-p", tostring(self.port), "-c", "listen_addresses=127.0.0.1",
    "-c", "unix_socket_directories=", "-c", "fsync=off",
  }, { cwd = self.dir, user = user })
  return wait.eventually(30, function()
    if not self.process:running() then
      return "ended"
    end
    local conn = socket.connect("127.0.0.1", self.port)
    if conn then
      conn:close()
    end
    return conn and self.process:output():find "ready to accept connections" and "ready"
  end, "a PostgreSQL that is ready") == "ready"
end

--- Starts one and waits until it is ready. Fields: port, process.
function postgres.start()
  local self = setmetatable({ dir = temp.dir(), bin = binaries() }, postgres)
  if user then
    assert(os.execute(("chown %s %s"):format(user, self.dir)) == 0)
  end
  local env = { PATH = self.bin .. ":" .. os.getenv "PATH" }
  run({ "initdb", "-D", self.dir .. "/data", "-A", "trust", "-U", "postgres", "--no-sync" },
    { cwd = self.dir, env = env })
  cleanup(function() self:stop() end) -- before it is killed: then it would leave memory behind
  for _ = 1, 5 do
    self.port = beanstalkd.free_port()
    if launch(self) then
      return self
    end
  end
  error("PostgreSQL does not start:\n" .. self.process:output())
end

--- What psql prints for a statement, without frills.
function postgres:query(statement)
  return (run({ self.bin .. "/psql", "-h", "127.0.0.1", "-p", tostring(self.port), "-U", "postgres", "-qAtX", "-c",
    statement }, { cwd = self.dir }):gsub("\n$", ""))
end

--- Ends it at once, with all connections (SIGINT), and waits.
function postgres:stop()
  self.process:kill(signal.SIGINT)
  self.process:wait(20)
end

--- Starts it again at the same address after :stop().
function postgres:start_again()
  assert(launch(self), "PostgreSQL does not start again on port " .. self.port)
end

return postgres
