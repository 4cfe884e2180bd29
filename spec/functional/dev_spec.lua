--- lunastalk dev: servers, a worker and what is saved, in a project of its own.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local client = require "spec.support.client"
local dirent = require "posix.dirent"
local process = require "spec.support.process"
local pwd = require "posix.pwd"
local signal = require "posix.signal"
local socket = require "socket"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local SAVE_TO_RUN = os.getenv "ASAN_OPTIONS" and 3 or 0.3 -- seconds; sanitized executors start slowly
local root = unistd.geteuid() == 0
local user = root and "nobody" or nil -- whose projects are, unless said otherwise

local function sh(command, ...)
  assert(os.execute(command:format(...)))
end

-- The binaries where everybody may run them, as `make install` lays them out.
local prefix = temp.dir()
sh("mkdir -p %s/bin %s/lib/lunastalk && cp %s %s/bin && cp %s %s/lib/lunastalk && chmod -R a+rX %s", prefix, prefix,
  worker.built "lunastalk", prefix, worker.built "lunastalk-executor", prefix, prefix)
local program = prefix .. "/bin/lunastalk"

local function says(version)
  return ("return function() require('lunastalk.log').info 'version %s ran' end"):format(version)
end

local function own(dir)
  if user then
    sh("chown -R %s %s", user, dir)
  end
end

local function project(options)
  local dir = worker.project(options)
  own(dir)
  return dir
end

local function save(dir, path, text)
  temp.write(dir .. "/" .. path, text)
end

-- Everything that works in the directory or below, by its pid.
local function processes(dir)
  local found = {}
  for name in dirent.files "/proc" do
    local pid = tonumber(name)
    local cwd = pid and unistd.readlink(("/proc/%d/cwd"):format(pid))
    if cwd and (cwd == dir or cwd:sub(1, #dir + 1) == dir .. "/") and process.state(pid) then
      found[#found + 1] = pid
    end
  end
  return found
end

local function nothing_runs(dir)
  wait.eventually(10, function()
    return #processes(dir) == 0
  end, function()
    local left = {}
    for _, pid in ipairs(processes(dir)) do
      left[#left + 1] = temp.read(("/proc/%d/cmdline"):format(pid)):gsub("%z", " ")
    end
    return "the end of " .. table.concat(left, ", ")
  end)
end

local function spawn(dir, options)
  options = options or {}
  local argv = { program, "dev" }
  for _, argument in ipairs(options.args or {}) do
    argv[#argv + 1] = argument
  end
  local dev = process.spawn(argv, { cwd = dir, env = options.env })
  dev.dir, dev.log = dir, dev.expect
  return dev
end

local function is_up(dev, mark)
  local pattern = "beanstalkd is (%S+), Redis (%d[%d.:]+): [^\n]+, your producers put jobs to %1\n"
  dev.beanstalkd, dev.redis = dev:log(pattern, 10, mark)
  dev:log("handlers are loaded", 20, mark)
  dev:log("connected to beanstalkd", 10, mark)
  return dev
end

-- One that is up, in a new project unless options.dir names one.
local function start(options)
  options = options or {}
  return is_up(spawn(options.dir or project(options), options))
end

local function stops(dev, number)
  dev:kill(number or signal.SIGINT)
  assert.equal(0, (dev:wait(15)), dev:output())
  nothing_runs(dev.dir)
end

-- Exit code, stdout, stderr of a command in the project.
local function command(dir, ...)
  return process.run({ program, ... }, { cwd = dir, user = user })
end

local function put(dev, name)
  local code, output, errors = command(dev.dir, "put", name)
  assert.equal(0, code, errors)
  return output:match "as job (%d+)"
end

local function runs(dev, version, name)
  local mark = dev:mark()
  put(dev, name or "greet")
  dev:log("version " .. version .. " ran", 10, mark)
end

local function loads(dev, change)
  local mark = dev:mark()
  change()
  dev:log("reloaded: ", 20, mark)
end

local function notice(name, address)
  return ("lunastalk %s: (dev, %s)\n"):format(name, address)
end

local GREET = { ["greet.lua"] = says(1) }

describe("lunastalk dev", function()
  it("runs jobs in a directory that has nothing but jobs/, and leaves no process", function()
    local dir = project { jobs = GREET }
    os.remove(dir .. "/config.yml")
    local dev = start { dir = dir }
    assert.equal(5, #processes(dir)) -- dev, beanstalkd, Redis, the worker and its executor
    runs(dev, 1)
    dev:log "debug greet: job finished"
    assert.equal("*\n", temp.read(dir .. "/.lunastalk/.gitignore"))
    assert.equal("rwx------", (assert(io.popen("stat -c %A " .. dir .. "/.lunastalk")):read "*l"):sub(2))
    stops(dev)
    assert.is_nil(stat.stat(dir .. "/.lunastalk/dev.json"))
    assert.matches("stopping; a second signal cuts running jobs short", dev:output())
  end)

  for _, name in ipairs { "SIGTERM", "SIGHUP", "SIGQUIT" } do
    it("ends in order by " .. name, function()
      stops(start { jobs = GREET }, signal[name])
    end)
  end

  it("cuts a job short at the second signal, and has it again the next time", function()
    local closed = barrier.new()
    if user then
      sh("chmod 755 %s && chmod 666 %s", closed.path:match "^(.*)/", closed.path)
    end
    local dev = start {
      jobs = { ["waits.lua"] = ("return function() print 'it waits' io.open('%s'):read(1) end"):format(closed.path) },
    }
    put(dev, "waits")
    dev:log "it waits"
    dev:kill(signal.SIGINT)
    dev:log "stopping: "
    dev:kill(signal.SIGINT)
    dev:log "1 jobs are cut short"
    assert.equal(0, (dev:wait(5)))
    nothing_runs(dev.dir)
    dev = start { dir = dev.dir }
    dev:log "it waits"
    closed:open()
    dev:log "waits: job finished"
    stops(dev)
  end)

  it("leaves no process when it is killed, and what it left is in nobody's way", function()
    local server = beanstalkd.start()
    local dev = start { server = server, jobs = GREET }
    local state = temp.read(dev.dir .. "/.lunastalk/dev.json")
    client.connect(dev.beanstalkd):put('{"job":"greet"}', { delay = 3600 })
    dev:kill(signal.SIGKILL)
    nothing_runs(dev.dir)
    local code, output, errors = command(dev.dir, "put", "greet")
    assert.equal(0, code, output)
    assert.is_nil(errors:find("(dev", 1, true))
    assert.equal(1, server:client():stats()["total-jobs"]) -- that of config.yml
    assert.equal(state, temp.read(dev.dir .. "/.lunastalk/dev.json"))
    local again = start { dir = dev.dir }
    sh("rm -r %s/.lunastalk/redis", dev.dir) -- Redis, which cannot save, would stay
    again:kill(signal.SIGKILL)
    nothing_runs(dev.dir)
    again = start { dir = dev.dir }
    again:kill(signal.SIGKILL)
    again = start { dir = dev.dir } -- at once, while the former servers end
    local _, stats = command(dev.dir, "stats", "--json")
    assert.equal(1, cjson.decode(stats).server.current_jobs_delayed)
    stops(again)
  end)

  it("is one in a project", function()
    local dev = start { jobs = GREET }
    for _, dir in ipairs { dev.dir, dev.dir .. "/jobs" } do
      local code, output, errors = command(dir, "dev")
      assert.same({ 1, "" }, { code, output })
      assert.equal(("lunastalk dev: one lives in this project already: pid %d, beanstalkd %s, Redis %s\n"):format(
        dev.pid, dev.beanstalkd, dev.redis), errors)
    end
    local other = start { jobs = GREET }
    assert.not_equal(dev.beanstalkd, other.beanstalkd)
    stops(other)
    runs(dev, 1)
    stops(dev)
  end)

  it("has the same ports each time, and others while those are taken", function()
    local dev = start { jobs = GREET }
    stops(dev)
    local taken = {}
    for i, address in ipairs { dev.beanstalkd, dev.redis } do
      taken[i] = assert(socket.bind("127.0.0.1", tonumber(address:match ":(%d+)$")))
    end
    local other = start { dir = dev.dir }
    assert.not_equal(dev.beanstalkd, other.beanstalkd)
    assert.not_equal(dev.redis, other.redis)
    runs(other, 1)
    stops(other)
    for _, listener in ipairs(taken) do
      listener:close()
    end
    local again = start { dir = dev.dir }
    assert.same({ dev.beanstalkd, dev.redis }, { again.beanstalkd, again.redis })
    stops(again)
  end)

  for _, name in ipairs { "beanstalkd", "redis-server", "lunastalk" } do
    it("ends with 1 when it loses " .. name, function()
      local dev = start { jobs = GREET }
      for pid in temp.read(("/proc/%d/task/%d/children"):format(dev.pid, dev.pid)):gmatch "%d+" do
        if temp.read(("/proc/%d/comm"):format(pid)) == name .. "\n" then
          signal.kill(tonumber(pid), signal.SIGKILL)
          break
        end
      end
      assert.equal(1, (dev:wait(15)))
      assert.matches("ended by itself: killed by signal 9 %(Killed%)", dev:output())
      nothing_runs(dev.dir)
    end)
  end

  it("names the package of a server that is not installed", function()
    local names = { "beanstalkd", "redis-server" }
    for _, missing in ipairs(names) do
      local bin, dir = temp.dir(), project {}
      sh("chmod 755 %s", bin)
      for _, name in ipairs(names) do
        if name ~= missing then
          sh("ln -s $(command -v %s) %s/%s", name, bin, name)
        end
      end
      local dev = spawn(dir, { env = { PATH = bin } })
      assert.equal(1, (dev:wait(10)))
      assert.equal(("lunastalk dev: there is no %s here: apt install %s\n"):format(missing, missing), dev:output())
      nothing_runs(dir)
    end
  end)

  it("says what a server says that does not start", function()
    local dir = project {}
    save(dir, ".lunastalk/beanstalkd", "no directory")
    own(dir)
    local dev = spawn(dir)
    assert.equal(1, (dev:wait(15)))
    assert.matches("lunastalk dev: beanstalkd does not start: %S[^\n]*; its log is .lunastalk/beanstalkd.log\n",
      dev:output())
    nothing_runs(dir)
  end)

  it("restarts a worker that stops for reload.on_change", function()
    local dev = start { jobs = GREET, config = { reload = { on_change = "exit" } } }
    runs(dev, 1)
    wait.pause(1) -- so long it has to live: one that ends at once has a fault
    local mark = dev:mark()
    assert.equal(0, (command(dev.dir, "reload")))
    dev:log("handlers are loaded", 10, mark)
    stops(dev)
  end)
end)

describe("what is saved in dev", function()
  it(("runs within %g s"):format(SAVE_TO_RUN), function()
    local dev = start { jobs = GREET }
    local queue = client.connect(dev.beanstalkd)
    local seen = {}
    repeat
      local version, mark = #seen + 2, dev:mark()
      local since = wait.now()
      save(dev.dir, "jobs/greet.lua", says(version))
      dev:log("reloaded: ", 10, mark)
      queue:put '{"job":"greet"}'
      dev:log("version " .. version .. " ran", 10, mark)
      seen[#seen + 1] = wait.now() - since
    until seen[#seen] < SAVE_TO_RUN or #seen == 3
    assert.is_true(seen[#seen] < SAVE_TO_RUN, "it took " .. table.concat(seen, ", "))
    stops(dev)
  end)

  it("keeps the old code while it is broken, and says where", function()
    local dev = start { jobs = GREET }
    save(dev.dir, "jobs/greet.lua", "return function()\n  local x = = 1\nend\n")
    dev:log "critical [^\n]*jobs/greet.lua:2: "
    runs(dev, 1)
    loads(dev, function()
      save(dev.dir, "jobs/greet.lua", says(2))
    end)
    runs(dev, 2)
    stops(dev)
  end)

  it("starts a worker that could not start", function()
    local dir = project {}
    sh("rm -r %s/jobs", dir)
    local dev = spawn(dir)
    dev:log("there is no " .. dir:gsub("%p", "%%%0") .. "/jobs yet: ")
    save(dir, "jobs/greet.lua", "not Lua")
    dev:log "the handlers do not load: jobs/greet.lua:1: "
    dev:log "the worker starts again when a file in %S+/jobs or %S+/config.yml is saved"
    save(dir, "jobs/greet.lua", says(1))
    is_up(dev)
    runs(dev, 1)
    stops(dev)
  end)

  it("is noticed in new directories, by rename, by link, and when it goes", function()
    local dev = start { jobs = GREET }
    loads(dev, function()
      save(dev.dir, "jobs/email/new/welcome.lua", says(1))
    end)
    runs(dev, 1, "email.new.welcome")
    loads(dev, function()
      save(dev.dir, "jobs/email/new/welcome.lua", says(2))
    end)
    runs(dev, 2, "email.new.welcome")
    loads(dev, function()
      save(dev.dir, "jobs/email/new/.welcome.lua.swp", says(3))
      assert(os.rename(dev.dir .. "/jobs/email/new/.welcome.lua.swp", dev.dir .. "/jobs/email/new/welcome.lua"))
    end)
    runs(dev, 3, "email.new.welcome")
    save(dev.dir, "elsewhere.lua", says(4))
    loads(dev, function()
      sh("ln -s ../elsewhere.lua %s/jobs/linked.lua", dev.dir)
    end)
    runs(dev, 4, "linked")
    loads(dev, function()
      save(dev.dir, "elsewhere.lua", says(5))
    end)
    runs(dev, 5, "linked")
    loads(dev, function()
      sh("rm -r %s/jobs/email", dev.dir)
    end)
    put(dev, "email.new.welcome")
    dev:log 'there is no handler "email.new.welcome"'
    loads(dev, function()
      sh("cd %s && mv jobs old && mkdir jobs && echo \"%s\" > jobs/greet.lua", dev.dir, says(6))
    end)
    runs(dev, 6)
    stops(dev)
  end)

  it("is one reload for a burst, and none for an editor's own files", function()
    local dev = start { jobs = GREET }
    for _, name in ipairs { ".greet.lua.swp", "greet.lua~", ".#greet.lua", "#greet.lua#", "4913", "greet.lua.new" } do
      save(dev.dir, "jobs/" .. name, "not Lua")
    end
    loads(dev, function()
      for i = 1, 100 do
        save(dev.dir, ("jobs/lib/a%d.lua"):format(i), "return 1")
      end
      save(dev.dir, "jobs/greet.lua", says(2))
    end)
    runs(dev, 2)
    local _, reloads = dev:output():gsub("reloaded: ", "")
    assert.is_true(reloads <= 3, reloads .. " reloads")
    stops(dev)
  end)

  it("may be config.yml, which may name other jobs", function()
    local dev = start { jobs = GREET, files = { ["handlers/greet.lua"] = says(2) } }
    loads(dev, function()
      save(dev.dir, "config.yml", "jobs: { path: handlers }\n")
    end)
    runs(dev, 2)
    loads(dev, function()
      save(dev.dir, "handlers/greet.lua", says(3))
    end)
    runs(dev, 3)
    save(dev.dir, "config.yml", "jobs: { pth: handlers }\n")
    dev:log "config.yml:1:9: unknown key"
    save(dev.dir, "config.yml", "jobs: { path: handlers }\nworker: { executors: 2 }\nredis: { server: 127.0.0.1:1 }\n")
    dev:log("dev: what was changed of worker.executors counts after Ctrl%-C and another `lunastalk dev`\n")
    stops(dev)
  end)
end)

describe("other commands where dev lives", function()
  local dev, elsewhere
  setup(function()
    elsewhere = beanstalkd.start()
    dev = start {
      jobs = GREET, server = elsewhere,
      config = { redis = { server = "127.0.0.1:1", user = "shop", password = "secret", db = 20, prefix = "shop:" } },
    }
  end)
  teardown(function()
    stops(dev)
  end)

  it("talk to it and say so", function()
    for _, case in ipairs {
      { "put", "greet" }, { "put", "greet", "--track" }, { "stats" }, { "peek", "default" }, { "kick", "default" },
      { "delete", "--id=999" }, { "failed" }, { "cancel", "--id=999" },
      { "run", "2", "--stop-when-empty", "--tube=empty" }, { "status" }, { "record", "nothing" }, { "reload" },
      { "log-test" },
    } do
      local code, _, errors = command(dev.dir, unpack(case))
      assert.is_true(code == 0 or code == 1, case[1] .. ": " .. errors)
      assert.equal(notice(case[1], dev.beanstalkd), errors:match "^[^\n]*\n", case[1])
      assert.equal(1, select(2, errors:gsub("%(dev, ", "")), errors)
    end
    for _, case in ipairs { { "config" }, { "exec", "greet" } } do -- these talk to no server
      local code, _, errors = command(dev.dir, unpack(case))
      assert.equal(0, code, errors)
      assert.is_nil(errors:find("(dev", 1, true))
    end
    assert.equal(0, elsewhere:client():stats()["total-jobs"])
  end)

  it("do so further down in the project, and by its config.yml from anywhere", function()
    for _, case in ipairs { { dev.dir .. "/jobs" }, { temp.dir(), "--config=" .. dev.dir .. "/config.yml" } } do
      own(case[1])
      local code, output, errors = command(case[1], "status", "--json", case[2])
      assert.same({ 0, notice("status", dev.beanstalkd) }, { code, errors })
      assert.equal("table", type(cjson.decode(output))) -- of the prefix that config.yml names
      assert.matches("_worker1", output)
    end
  end)

  it("go where a flag or a variable says", function()
    for _, case in ipairs { { args = { "--beanstalkd", elsewhere.address } },
      { args = {}, env = { LUNASTALK_BEANSTALKD_SERVER = elsewhere.address } } } do
      local code, _, errors = process.run({ program, "stats", unpack(case.args) },
        { cwd = dev.dir, env = case.env, user = user })
      assert.same({ 0, "" }, { code, errors })
    end
    local code, _, errors = command(dev.dir, "status", "--redis=127.0.0.1:1")
    assert.equal(69, code)
    assert.is_nil(errors:find("(dev, ", 1, true))
  end)

  it("print it as an origin", function()
    local code, output, errors = command(dev.dir, "config")
    assert.same({ 0, "" }, { code, errors })
    local servers = {}
    for address, origin in output:gmatch "server: (%S+) +# ([^\n]*)" do
      servers[#servers + 1] = address .. " " .. origin
    end
    local origin = " lunastalk dev, pid " .. dev.pid
    assert.same({ dev.beanstalkd .. origin, dev.redis .. origin }, servers)
    assert.matches("password: null +# lunastalk dev", output)
    assert.matches("prefix: \"?shop:\"? +# [^\n]*config.yml", output)
  end)
end)

if root then
  describe("lunastalk dev of root", function()
    local function uids(dir)
      local found = {}
      for _, pid in ipairs(processes(dir)) do
        local status = temp.read(("/proc/%d/status"):format(pid))
        found[#found + 1] = status:match "Uid:\t([%d\t]+)" .. status:match "\nGroups:([%d\t ]*)"
      end
      return found
    end

    it("becomes the owner of the project", function()
      local nobody = pwd.getpwnam "nobody"
      local dev = start { jobs = { ["home.lua"] = "return function() print(os.getenv 'HOME') end" } }
      local all = uids(dev.dir)
      assert.equal(5, #all)
      for _, ids in ipairs(all) do
        assert.matches(("^%d\t%d\t%d\t%d"):format(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid, nobody.pw_uid), ids)
        assert.is_nil(ids:match "\t0 ")
      end
      assert.equal(nobody.pw_uid, stat.stat(dev.dir .. "/.lunastalk").st_uid)
      assert.equal(nobody.pw_uid, stat.stat(dev.dir .. "/.lunastalk/dev.json").st_uid)
      put(dev, "home")
      dev:log("home: " .. nobody.pw_dir)
      local code, _, errors = process.run({ program, "stats" }, { cwd = dev.dir }) -- root works there too
      assert.same({ 0, notice("stats", dev.beanstalkd) }, { code, errors })
      stops(dev)
    end)

    it("is refused in a project of root's, but with --allow-root", function()
      local dir = worker.project { jobs = GREET }
      local dev = spawn(dir)
      assert.equal(78, (dev:wait(10)))
      assert.matches("is root's, [^\n]*chown [^\n]*%-%-allow%-root\n$", dev:output())
      assert.is_nil(stat.stat(dir .. "/.lunastalk"))
      dev = start { dir = dir, args = { "--allow-root" } }
      -- What others left where one works is not followed, whatever it says.
      sh("chmod -R a+rX %s", dir)
      local code, _, errors = command(dir, "config")
      assert.equal(0, code)
      assert.equal("", errors)
      assert.is_nil(select(2, command(dir, "config")):find "lunastalk dev")
      stops(dev)
    end)
  end)
end
