--- New handlers and settings without a restart: SIGHUP.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local dirent = require "posix.dirent"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local sanitized = os.getenv "ASAN_OPTIONS"
local RELOADS, STORM, NOOPS = sanitized and 5 or 30, 1000, sanitized and 2000 or 20000

local server = beanstalkd.start()
local queue = server:client()
local body = jobs.body

-- says(1): a handler that logs which it is, and one that first waits for the barrier that its job names.
local function says(version)
  return ("return function(job) require('lunastalk.log').info('version %s ran {n}', { n = job.data.n }) end"):format(
    version)
end
local function waits(version)
  return ([[return { timeout = 20, process = function(job)
    require("lunastalk.log").info("version %s begins")
    io.open(job.data.barrier):read(1)
    require("lunastalk.log").info("version %s ends")
  end }]]):format(version, version)
end

local DIES = "local C = require('ffi').C require('ffi').cdef 'int raise(int);'"

local tubes, tube = 0
local function start(options)
  tubes = tubes + 1
  tube = "reload" .. tubes
  options.server = options.server or server
  options.config = options.config or {}
  options.config.worker = { tubes = { tube }, executors = options.executors }
  local w = worker.start(options)
  w:log "handlers are loaded"
  return w
end

local function put(name, data)
  return assert(queue:put(body(name, data or { n = 1 }), { tube = tube }))
end

local function hangup(w)
  local mark = w:mark()
  w:kill(signal.SIGHUP)
  return mark
end

local function reload(w)
  local mark = hangup(w)
  return w:log("reloaded: (%d+) handlers", 20, mark)
end

local function runs(w, version, name)
  local mark = w:mark()
  local id = put(name or "job")
  w:log("version " .. version .. " ran", 10, mark)
  jobs.gone(queue, id)
end

local function children(w)
  local pids = {}
  for pid in temp.read(("/proc/%d/task/%d/children"):format(w.pid, w.pid)):gmatch "%d+" do
    table.insert(pids, tonumber(pid))
  end
  return pids
end

local function has_children(w, count)
  wait.eventually(10, function()
    return #children(w) == count
  end, function()
    return ("%d executors: there are %d"):format(count, #children(w))
  end)
end

-- All but its sockets to the server, which may be one or two.
local function descriptors(w)
  local count, path = 0, ("/proc/%d/fd"):format(w.pid)
  for name in dirent.files(path) do
    local target = unistd.readlink(path .. "/" .. name)
    count = count + (target and not target:find "^socket:" and 1 or 0)
  end
  return count
end

local function resident(w)
  return tonumber(temp.read(("/proc/%d/status"):format(w.pid)):match "VmRSS:%s+(%d+)")
end

describe("a reload", function()
  local USES = [[
    local value, settings = require "value", require "lunastalk.settings"
    return function()
      require("lunastalk.log").info("{value} {setting} {boot}",
        { value = value, setting = settings.setting, boot = package.loaded.boot })
    end]]

  it("takes new, changed and deleted handlers, modules, bootstrap, settings and log levels", function()
    local w = start {
      jobs = { ["job.lua"] = says(1), ["gone.lua"] = says(1), ["_bootstrap.lua"] = "package.loaded.boot = 'boot1'" },
      config = { settings = { setting = "s1" } },
    }
    assert(os.execute("mkdir " .. w.dir .. "/jobs/lib"))
    temp.write(w.dir .. "/jobs/lib/value.lua", "return 'v1'")
    temp.write(w.dir .. "/jobs/uses.lua", USES)
    assert.equal("3", reload(w))
    runs(w, 1)
    put "uses"
    w:log "v1 s1 boot1"

    temp.write(w.dir .. "/jobs/job.lua", says(2))
    temp.write(w.dir .. "/jobs/fresh.lua", says(2))
    os.remove(w.dir .. "/jobs/gone.lua")
    temp.write(w.dir .. "/jobs/lib/value.lua", "return 'v2'")
    temp.write(w.dir .. "/jobs/_bootstrap.lua", "package.loaded.boot = 'boot2'")
    temp.write(w.dir .. "/config.yml", ([[
worker: { tubes: [%s], shutdown_timeout: 9s }
beanstalkd: { server: "%s" }
log: [{ to: stdout, level: debug }]
jobs: { max_timeout: 5s }
settings: { setting: s2 }]]):format(tube, server.address))
    assert.equal("3", reload(w))
    w:log "notice [^\n]*worker.shutdown_timeout needs a restart"
    runs(w, 2)
    runs(w, 2, "fresh")
    put "uses"
    w:log "v2 s2 boot2"
    w:log "debug uses: job finished"
    assert(queue:put('{"job":"job","timeout":6}', { tube = tube }))
    w:log '"timeout" is over jobs.max_timeout, 5 s'
    put "gone"
    w:log 'error gone: job buried: there is no handler "gone"'
    has_children(w, 1)
    assert.equal(0, (w:stop()))
  end)

  it("follows a link that a deploy has switched, and keeps what flags say", function()
    local dir = temp.dir()
    tubes = tubes + 1
    tube = "reload" .. tubes
    for version = 1, 2 do
      local release = worker.project { server = server, config = { worker = { tubes = { tube } },
        beanstalkd = { server = server.address } }, jobs = { ["job.lua"] = says(version) } }
      assert(os.rename(release, dir .. "/release" .. version))
    end
    assert(unistd.link("release1", dir .. "/current", true))
    local w = worker.start { dir = dir, args = { "--config=" .. dir .. "/current/config.yml", "--log-level=debug" } }
    w:log "handlers are loaded"
    runs(w, 1)
    assert(unistd.link("release2", dir .. "/next", true))
    assert(os.rename(dir .. "/next", dir .. "/current"))
    reload(w)
    local mark = w:mark()
    runs(w, 2)
    w:log("debug job: job finished", 10, mark) -- the flag still stands above config.yml
    assert.equal(0, (w:stop()))
  end)

  for what, case in pairs {
    ["does not parse"] = { "return function(job", "jobs/job.lua:1: .*expected" },
    ["raises an error"] = { "\nerror 'not today'", "jobs/job.lua:2: not today" },
    ["dies"] = { DIES .. " C.raise(9)", "killed by signal 9" },
    ["is empty"] = { "", "jobs/job.lua" },
  } do
    it("with a handler that " .. what .. " keeps the old ones, until it is repaired", function()
      local w = start { jobs = { ["job.lua"] = says(1) }, executors = 2 }
      temp.write(w.dir .. "/jobs/job.lua", case[1])
      local why = w:log("critical worker: reload refused: ([^\n]*); the old handlers stay", 10, hangup(w))
      assert.matches(case[2], why)
      runs(w, 1)
      has_children(w, 2)
      temp.write(w.dir .. "/jobs/job.lua", says(2))
      reload(w)
      runs(w, 2)
      has_children(w, 2)
      assert.equal(0, (w:stop()))
    end)
  end

  it("with a wrong config.yml keeps all as it was, and names the place", function()
    local w = start { jobs = { ["job.lua"] = says(1) } }
    local good = temp.read(w.dir .. "/config.yml")
    temp.write(w.dir .. "/jobs/job.lua", says(2))
    temp.write(w.dir .. "/config.yml", "worker:\n  tubes: [default]\njobs: { retry: { max: -1 } }\n")
    assert.matches("config.yml:3:23: jobs.retry.max", w:log("critical worker: reload refused: ([^\n]*)", 10, hangup(w)))
    runs(w, 1)
    temp.write(w.dir .. "/config.yml", good)
    reload(w)
    runs(w, 2)
    assert.equal(0, (w:stop()))
  end)

  it("lets running jobs finish on their old code, of two generations at most, and ends in the newest", function()
    local w = start { jobs = { ["job.lua"] = says(1), ["waits.lua"] = waits(1) } }
    local gates, ids = {}, {}
    for version = 1, 3 do
      gates[version] = barrier.new()
      ids[version] = put("waits", { barrier = gates[version].path })
      w:log(("version %d begins"):format(version))
      temp.write(w.dir .. "/jobs/job.lua", says(version + 1))
      temp.write(w.dir .. "/jobs/waits.lua", waits(version + 1))
      if version < 3 then
        reload(w)
        runs(w, version + 1)
        has_children(w, version + 1)
      end
    end
    local mark = hangup(w)
    w:log("notice worker: the reload waits: two former sets of executors", 10, mark)
    for version = 5, 6 do
      temp.write(w.dir .. "/jobs/job.lua", says(version))
      hangup(w)
    end
    gates[2]:open()
    w:log("version 2 ends", 10, mark)
    w:log("reloaded: ", 10, mark)
    runs(w, 6)
    gates[1]:open()
    gates[3]:open()
    jobs.gone(queue, unpack(ids))
    for version = 1, 3 do
      assert.equal(1, select(2, w:output():gsub(("version %d ends"):format(version), "")))
    end
    has_children(w, 1)
    assert.equal(0, (w:stop()))
  end)

  it("leaves time limit, crash and the grace period of jobs on old executors as they were", function()
    local limited = [[return { timeout = 0.5, process = function() print "begun" while true do end end }]]
    local w = start { jobs = { ["job.lua"] = says(1), ["limited.lua"] = limited, ["waits.lua"] = waits(1) } }
    local closed = barrier.new()
    local late, killed = put "limited", put("waits", { barrier = closed.path })
    w:log "begun"
    temp.write(w.dir .. "/jobs/job.lua", says(2))
    reload(w)
    w:log "version 1 begins" -- on the new one: the code of waits is the same
    local old = children(w)
    w:log("limited: job failed and was buried: timed out after 0.5 s", 10)
    jobs.becomes(queue, late, "buried")
    reload(w)
    has_children(w, 2)
    for _, pid in ipairs(children(w)) do
      if pid == old[1] or pid == old[2] then
        signal.kill(pid, signal.SIGKILL)
      end
    end
    w:log "waits: job failed and was buried: killed by signal 9"
    jobs.becomes(queue, killed, "buried")
    has_children(w, 1)
    local mark = w:mark()
    local again = put("waits", { barrier = closed.path })
    w:log("version 1 begins", 10, mark)
    reload(w)
    has_children(w, 2)
    w:kill(signal.SIGTERM)
    w:kill(signal.SIGINT)
    assert.equal(1, (w:wait()))
    jobs.becomes(queue, again, "ready")
  end)

  it("is begun anew by another one while it loads; the worker can be stopped then", function()
    local w = start { jobs = { ["job.lua"] = says(1) }, executors = 2 }
    local closed = barrier.new()
    local function hangs(version)
      temp.write(w.dir .. "/jobs/job.lua", ("io.open('%s'):read(1)\n%s"):format(closed.path, says(version)))
      hangup(w)
      has_children(w, 4)
    end
    hangs(2)
    runs(w, 1)
    temp.write(w.dir .. "/jobs/job.lua", says(3))
    reload(w)
    runs(w, 3)
    has_children(w, 2)
    hangs(4)
    assert.equal(0, (w:stop()))
    assert.not_matches("version [24]", w:output())
  end)

  it("is awaited by jobs whose name is not known yet", function()
    local w = start { jobs = { ["job.lua"] = says(1) } }
    local closed = barrier.new()
    temp.write(w.dir .. "/jobs/fresh.lua", ("io.open('%s'):read(1)\n%s"):format(closed.path, says(2)))
    hangup(w)
    has_children(w, 2)
    local id = put "fresh"
    jobs.becomes(queue, id, "delayed")
    closed:open()
    w:log "reloaded: 2"
    w:log "version 2 ran"
    jobs.gone(queue, id)
    assert.equal(0, (w:stop()))
  end)

  it("comes while beanstalkd is down", function()
    local other = beanstalkd.start()
    local w = start { server = other, jobs = { ["job.lua"] = says(1) } }
    other:stop()
    w:log "no beanstalkd"
    temp.write(w.dir .. "/jobs/job.lua", says(2))
    reload(w)
    other:start_again()
    other:client():put(body("job", { n = 1 }), { tube = tube })
    w:log("version 2 ran", 20)
    assert.equal(0, (w:stop()))
  end)

  it("comes a thousand times in a row: the newest serves, no process and no descriptor is left", function()
    local w = start { jobs = { ["job.lua"] = says(1) }, executors = 2 }
    reload(w)
    has_children(w, 2)
    local before, memory = descriptors(w), resident(w)
    for n = 1, STORM do
      if n == STORM then
        temp.write(w.dir .. "/jobs/job.lua", says(2))
      end
      w:kill(signal.SIGHUP)
      if n % 100 == 0 then
        put "job"
      end
    end
    reload(w)
    runs(w, 2)
    wait.eventually(10, function()
      return queue:stats_tube(tube)["current-jobs-ready"] == 0 and queue:stats_tube(tube)["current-jobs-reserved"] == 0
    end, "the end of all jobs")
    has_children(w, 2)
    assert.equal(before, descriptors(w))
    if not sanitized then
      assert.is_true(resident(w) < memory + 4096, resident(w) .. " KB, before " .. memory)
    end
    assert.equal(0, (w:stop()))
  end)

  it("loses no job and runs none twice, while jobs run as fast as they can", function()
    local marks = "local file = io.open('marks', 'a') file:setvbuf 'line' "
      .. "return function(job) file:write('%s ', job.id, '\\n') end"
    local w = start { jobs = { ["noop.lua"] = marks:format "old", ["gone.lua"] = marks:format "gone" } }
    local put_in, kept, gone = {}, 0, 0
    for n = 1, NOOPS do
      local name = n % 10 == 0 and "gone" or "noop"
      put_in[tostring(assert(queue:put(body(name), { tube = tube })))] = name
    end
    for n = 1, RELOADS do
      temp.write(w.dir .. "/jobs/noop.lua", marks:format(n))
      if n == 3 then
        os.remove(w.dir .. "/jobs/gone.lua")
      end
      reload(w)
    end
    wait.eventually(60, function()
      local stats = queue:stats_tube(tube)
      return stats["current-jobs-ready"] + stats["current-jobs-reserved"] + stats["current-jobs-delayed"] == 0
    end, "the end of all jobs")
    for id in temp.read(w.dir .. "/marks"):gmatch " (%d+)\n" do
      assert.is_truthy(put_in[id], "job " .. id .. " ran twice")
      put_in[id], kept = nil, kept + 1
    end
    for id in pairs(put_in) do
      assert.equal("buried", queue:stats_job(id).state)
      assert.equal("gone", put_in[id])
      gone = gone + 1
    end
    assert.equal(NOOPS, kept + gone)
    has_children(w, 1)
    assert.equal(0, (w:stop()))
  end)
end)

describe("an upgrade under a running worker", function()
  -- Both binaries in a directory of their own, so that one can be replaced.
  local function installed()
    local dir = temp.dir()
    assert(process.run { "cp", worker.built "lunastalk", worker.built "lunastalk-executor", dir } == 0)
    local config = { worker = { tubes = { tube } }, beanstalkd = { server = server.address } }
    local project = worker.project { config = config, jobs = { ["job.lua"] = says(1), ["waits.lua"] = waits(1),
      ["crashes.lua"] = DIES .. [[ return function(job)
        print "begins"
        if job.data.barrier then io.open(job.data.barrier):read(1) end
        C.raise(9)
      end]] } }
    local function run()
      return process.spawn({ dir .. "/lunastalk", "run", "--allow-root" }, { cwd = project })
    end
    local function upgrade()
      temp.write(dir .. "/new", "#!/bin/sh\nprintf '\\004\\000\\000\\000\\020\\377\\000\\000\\000' >&3\nexec cat <&3\n")
      assert(stat.chmod(dir .. "/new", tonumber("755", 8)))
      assert(os.rename(dir .. "/new", dir .. "/lunastalk-executor"))
    end
    return run, upgrade
  end

  before_each(function()
    tubes = tubes + 1
    tube = "reload" .. tubes
  end)

  it("ends it with exit code 0 at a reload, after its job", function()
    local run, upgrade = installed()
    local w, closed = run(), barrier.new()
    local id = put("waits", { barrier = closed.path })
    w:expect "version 1 begins"
    upgrade()
    w:kill(signal.SIGHUP)
    w:expect "stopping: an upgrade"
    closed:open()
    assert.equal(0, (w:wait()))
    w:expect "version 1 ends"
    jobs.gone(queue, id)
  end)

  it("ends it with exit code 0 when an executor is replaced", function()
    local run, upgrade = installed()
    local w = run()
    w:expect "handlers are loaded"
    upgrade()
    jobs.becomes(queue, put "crashes", "buried")
    assert.equal(0, (w:wait()))
    w:expect "is of another build"
  end)

  it("ends it when beanstalkd answers after the last executor has gone", function()
    local run, upgrade = installed()
    local w, closed = run(), barrier.new()
    local id = put("crashes", { barrier = closed.path })
    w:expect "begins"
    upgrade()
    server:pause()
    closed:open()
    w:expect "is of another build"
    has_children(w, 0)
    server:continue()
    assert.equal(0, (w:wait()))
    jobs.becomes(queue, id, "buried")
  end)

  it("that was begun before the worker starts is an error", function()
    local run, upgrade = installed()
    upgrade()
    local w = run()
    assert.equal(78, (w:wait()))
    w:expect "different builds"
  end)
end)
