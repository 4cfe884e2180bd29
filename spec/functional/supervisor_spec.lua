local beanstalkd = require "spec.support.beanstalkd"
local cleanup = require "spec.support.cleanup"
local process = require "spec.support.process"
local pwd = require "posix.pwd"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local MAIN = [[
[unix_http_server]
file=DIR/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://DIR/supervisor.sock
[supervisord]
nodaemon=true
user=USER
logfile=DIR/log/supervisord.log
pidfile=DIR/supervisord.pid
[include]
files=DIR/conf.d/*.conf
]]

local server = beanstalkd.start()
local queue = server:client()
local user = pwd.getpwuid(unistd.geteuid()).pw_name
local pool_user = user == "root" and "www-data" or user

-- A project that the pool's user may read, with the binaries in bin/.
local dir = worker.project { server = server, jobs = { ["noop.lua"] = temp.read "jobs/noop.lua" } }
local function run(...)
  local code, output, errors = process.run { ... }
  assert(code == 0, errors)
  return output
end
run("mkdir", "-p", dir .. "/bin", dir .. "/log", dir .. "/conf.d", dir .. "/scripts/supervisor")
run("cp", worker.built "lunastalk", worker.built "lunastalk-executor", dir .. "/bin")
run("chmod", "-R", "a+rX", dir)

-- The shipped file; only its paths and its user are others.
local shipped, changes = temp.read "scripts/supervisor/lunastalk.conf", 0
for from, to in pairs {
  ["\ncommand=lunastalk "] = "\ncommand=" .. dir .. "/bin/lunastalk ",
  ["\ndirectory=/srv/lunastalk\n"] = "\ndirectory=" .. dir .. "\n",
  ["\nuser=www%-data\n"] = "\nuser=" .. pool_user .. "\n",
  ["=/var/log/supervisor/"] = "=" .. dir .. "/log/",
} do
  local count
  shipped, count = shipped:gsub(from, (to:gsub("%%", "%%%%")))
  changes = changes + count
end
temp.write(dir .. "/scripts/supervisor/lunastalk.conf", shipped)
temp.write(dir .. "/supervisord.conf", (MAIN:gsub("DIR", dir):gsub("USER", user)))

local function supervisorctl(...)
  local _, output = process.run { "/usr/bin/supervisorctl", "-c", dir .. "/supervisord.conf", ... }
  return output
end

-- The commands of scripts/README.md; only where the files and the server of supervisord are is another place.
local documented = temp.read "scripts/README.md":match "\n```\n(cp scripts/supervisor/.-)```"
local function run_documented(pattern)
  local lines, found = documented:gsub("/etc/supervisor", dir), {}
  for line in lines:gmatch "[^\n]+" do
    if line:find(pattern) then
      table.insert(found, (line:gsub("^supervisorctl", "/usr/bin/supervisorctl -c " .. dir .. "/supervisord.conf")))
    end
  end
  assert.is_true(#found > 0, "no command like " .. pattern)
  local code, output, errors = process.run({ "bash", "-euc", table.concat(found, "\n") }, { cwd = dir, seconds = 60 })
  assert.equal(0, code, output .. errors)
  return output
end

-- The pids of all our processes, as a set.
local function alive()
  local _, output = process.run { "find", "/proc", "-maxdepth", "2", "-name", "exe", "-lname", dir .. "/bin/*" }
  local pids = {}
  for pid in output:gmatch "/proc/(%d+)/exe" do
    pids[tonumber(pid)] = true
  end
  return pids
end

local function parent(pid)
  local ok, status = pcall(temp.read, ("/proc/%d/status"):format(pid))
  return ok and tonumber(status:match "PPid:%s+(%d+)")
end

local function children(pid)
  local found = {}
  for other in pairs(alive()) do
    if parent(other) == pid then
      table.insert(found, other)
    end
  end
  return found
end

local function pid_of(name)
  return tonumber((supervisorctl("pid", name)))
end

-- Puts some jobs and waits until as many more were deleted.
local function jobs_flow(tube)
  local before = (queue:stats_tube(tube) or {})["cmd-delete"] or 0
  for _ = 1, 20 do
    assert(queue:put('{"job":"noop"}', { tube = tube }))
  end
  wait.eventually(20, function()
    return queue:stats_tube(tube)["cmd-delete"] == before + 20
  end, "20 jobs of " .. tube)
end

local function all_running()
  wait.eventually(30, function()
    local _, output = pcall(run_documented, "ctl status$") -- which fails until all run
    return select(2, output:gsub("RUNNING", "")) == 7
  end, "7 workers running")
end

describe("scripts/supervisor/lunastalk.conf", function()
  local supervisord = process.spawn({ "/usr/bin/supervisord", "-n", "-c", dir .. "/supervisord.conf" }, { cwd = dir })
  cleanup(function()
    supervisord:stop(40)
  end)

  it("starts both pools, and they run jobs", function()
    assert.equal(8, changes)
    wait.eventually(10, function()
      return supervisorctl("pid"):find "^%d+\n$"
    end, "supervisord's answer")
    run_documented "^cp "
    assert.matches("lunastalk%-bulk: added process group", run_documented "ctl update$")
    all_running()
    jobs_flow "email.priority"
    jobs_flow "email.bulk"
    jobs_flow "email.regular"
    assert.truthy(temp.read(dir .. "/log/lunastalk-bulk_4.log"):find "%S")
  end)

  it("replaces a worker that was killed; its executor dies with it", function()
    local name = "lunastalk-bulk:lunastalk-bulk_3"
    local killed = pid_of(name)
    local executors = children(killed)
    assert.equal(1, #executors)
    signal.kill(killed, signal.SIGKILL)
    wait.eventually(10, function()
      local pids = alive()
      return not pids[killed] and not pids[executors[1]]
    end, "the end of the executor")
    wait.eventually(20, function()
      local pid = pid_of(name)
      return pid and pid ~= 0 and pid ~= killed and #children(pid) == 1
    end, "a new worker with an executor")
    jobs_flow "email.bulk"
  end)

  it("restarts a pool", function()
    local others, before = pid_of "lunastalk-priority:lunastalk-priority_0", pid_of "lunastalk-bulk:lunastalk-bulk_0"
    run_documented "ctl restart "
    all_running()
    assert.not_equal(before, pid_of "lunastalk-bulk:lunastalk-bulk_0")
    assert.equal(others, pid_of "lunastalk-priority:lunastalk-priority_0")
    jobs_flow "email.regular"
  end)

  it("stops one pool while the other goes on", function()
    supervisorctl("stop", "lunastalk-bulk:*")
    local left = 0
    for pid in pairs(alive()) do
      left = left + (parent(pid) == supervisord.pid and 1 or 0)
    end
    assert.equal(2, left)
    jobs_flow "email.priority"
  end)

  it("leaves no process when supervisord ends", function()
    assert.equal(0, (supervisord:stop(40)))
    assert.same({}, alive())
  end)
end)
