--- Child processes: each in its own group, with its output in a file, dead at the end of the spec file in any case.
local cdef = require "spec.support.cdef"
local cleanup = require "spec.support.cleanup"
local dirent = require "posix.dirent"
local fcntl = require "posix.fcntl"
local ffi = require "ffi"
local pwd = require "posix.pwd"
local signal = require "posix.signal"
local stdlib = require "posix.stdlib"
local sys_wait = require "posix.sys.wait"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"

cdef [[
  int prctl(int option, ...);
  int setgroups(size_t count, const unsigned *list);
]]

local process = {}
process.__index = process

local function die_with_parent()
  ffi.C.prctl(1, ffi.cast("unsigned long", signal.SIGKILL)) -- PR_SET_PDEATHSIG
end

local function become(name)
  local user = assert(pwd.getpwnam(name), "no user " .. name)
  assert(ffi.C.setgroups(0, nil) == 0)
  assert(unistd.setpid("g", user.pw_gid))
  assert(unistd.setpid("u", user.pw_uid))
end

local function redirect(fd, path, flags)
  local file = assert(fcntl.open(path, flags, tonumber("644", 8)))
  assert(unistd.dup2(file, fd))
end

-- beanstalkd keeps a job reserved while anybody holds the socket: a child inherits 0, 1 and 2 only.
local function close_others()
  for entry in dirent.files "/proc/self/fd" do
    local fd = tonumber(entry)
    if fd and fd > 2 then
      unistd.close(fd)
    end
  end
end

local function set_environment(changes)
  for name in pairs(stdlib.getenv()) do
    if name == "LD_PRELOAD" or name:find "^LUNASTALK_" then
      stdlib.setenv(name, nil)
    end
  end
  for name, value in pairs(changes or {}) do
    stdlib.setenv(name, value or nil)
  end
end

local function run_child(argv, options, files)
  local write = fcntl.O_WRONLY + fcntl.O_CREAT + fcntl.O_APPEND
  unistd.setpid("p", 0, 0)
  redirect(0, files.input or "/dev/null", fcntl.O_RDONLY)
  redirect(1, files.output, write)
  redirect(2, files.errors, write)
  close_others()
  set_environment(options.env)
  if options.cwd then
    assert(unistd.chdir(options.cwd))
  end
  if options.user then
    become(options.user)
  end
  die_with_parent() -- last: changing the user clears it
  local arguments = {}
  for i = 2, #argv do
    arguments[i - 1] = argv[i]
  end
  return select(2, unistd.execp(argv[1], arguments))
end

--- Starts argv[1] (looked up in PATH) with the arguments behind it.
--- options: cwd; env (name → value, false takes it away); stdin (its bytes); user (a name); apart (stderr in :errors()
--- instead of in :output()).
function process.spawn(argv, options)
  options = options or {}
  local dir = temp.dir()
  local files = { output = dir .. "/output", errors = dir .. (options.apart and "/errors" or "/output") }
  if options.stdin then
    files.input = temp.write(dir .. "/input", options.stdin)
  end
  temp.write(files.output, "")
  temp.write(files.errors, "")
  io.stdout:flush()
  local pid = assert(unistd.fork())
  if pid == 0 then
    local _, problem = pcall(run_child, argv, options, files)
    io.stderr:write(argv[1], ": ", tostring(problem), "\n")
    io.stderr:flush()
    unistd._exit(127)
  end
  unistd.setpid("p", pid, pid) -- both sides do it: whoever is first
  local self = setmetatable({ pid = pid, name = argv[1], files = files, text = "" }, process)
  cleanup(function()
    self:destroy()
  end)
  return self
end

--- Everything it has written to stdout (and stderr, unless apart) until now.
function process:output()
  local file = assert(io.open(self.files.output, "rb"))
  file:seek("set", #self.text)
  self.text = self.text .. file:read "*a"
  file:close()
  return self.text
end

function process:errors()
  return temp.read(self.files.errors)
end

local function story(self, what)
  return function()
    return ("%s (%s, pid %d); its output:\n%s"):format(what, self.name, self.pid, self:output():sub(-4000))
  end
end

--- Waits until the output (from byte `from` on: see :mark()) matches the Lua pattern; returns what string.match does.
function process:expect(pattern, seconds, from)
  return wait.eventually(seconds or 10, function()
    local gone = not self:running()
    local found = { self:output():match(pattern, from) }
    if found[1] then
      return unpack(found)
    end
    if gone then
      error(story(self, "ended without writing " .. pattern)(), 0)
    end
  end, story(self, "output that matches " .. pattern))
end

--- The place behind the present output, for the `from` of a later :expect().
function process:mark()
  return #self:output() + 1
end

--- Whether it has not ended yet.
function process:running()
  if self.reason then
    return false
  end
  local pid, reason, status = sys_wait.wait(self.pid, sys_wait.WNOHANG)
  if pid == self.pid and reason ~= "running" then
    self.reason, self.status = reason, status
  end
  return not self.reason
end

--- Waits for its end: the exit code, or nil and the signal that killed it.
function process:wait(seconds)
  wait.eventually(seconds or 10, function()
    return not self:running()
  end, story(self, "the end of the process"))
  if self.reason == "exited" then
    return self.status
  end
  return nil, self.status
end

--- Sends a signal (SIGTERM) to it alone.
function process:kill(number)
  if self:running() then
    signal.kill(self.pid, number or signal.SIGTERM)
  end
end

--- Ends it (SIGTERM) and waits; returns what :wait() does.
function process:stop(seconds)
  self:kill(signal.SIGTERM)
  return self:wait(seconds)
end

--- The kernel's letter for the state of any process ("R", "S", "T", …); nil when it has ended.
function process.state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local state = file and (file:read "*a" or ""):match "%) (%u)" -- it may end between the two
  if file then
    file:close()
  end
  return state ~= "Z" and state ~= "X" and state or nil
end

--- Stops it in its tracks until :continue(); returns once it stands still.
function process:pause()
  self:kill(signal.SIGSTOP)
  wait.eventually(5, function()
    return process.state(self.pid) == "T"
  end, "stopped state")
end

function process:continue()
  self:kill(signal.SIGCONT)
end

--- SIGKILL to its whole group, now.
function process:destroy()
  signal.kill(-self.pid, signal.SIGKILL)
  self:wait(10)
end

--- Runs to the end: exit code (or nil), stdout, stderr, signal.
function process.run(argv, options)
  options = options or {}
  options.apart = true
  local child = process.spawn(argv, options)
  local code, killed = child:wait(options.seconds or 30)
  return code, child:output(), child:errors(), killed
end

return process
