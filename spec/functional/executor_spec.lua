local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local dirent = require "posix.dirent"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local CRASHES = os.getenv "ASAN_OPTIONS" and 50 or 200 -- sanitized executors start slowly

local server = beanstalkd.start()
local queue = server:client()
local body = jobs.body

-- A sanitizer must not take for its own what handlers do to the executor.
local sanitizer = temp.dir()
temp.write(sanitizer .. "/lunastalk-executor", "handle_segv=0:handle_abort=0:detect_leaks=0")
local ENV = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":include_if_exists=" .. sanitizer .. "/%b" }

local BOOTSTRAP = [[
require("ffi").cdef [=[
  int getpid(void); int kill(int pid, int number); void abort(void); int close(int fd); int pause(void);
  int fork(void); int usleep(unsigned us);
  long write(int fd, const void *bytes, size_t size); long pwrite(int fd, const void *bytes, size_t size, long at);
]=] ]]

local function handler(code)
  return "local C, ffi, log = require('ffi').C, require 'ffi', require 'lunastalk.log'\nreturn function(job)\n"
    .. code .. "\nend"
end

-- What a handler can do to its process, and the reason that its job is buried with; `alone`: what becomes of those
-- sent ahead is not known then, or not told.
local DEATHS = {
  null_pointer = { "ffi.cast('int *', 0)[0] = 1", "killed by signal 11 (Segmentation fault)" },
  exits_0 = { "os.exit(0)", "the executor exited with code 0" },
  exits_3 = { "os.exit(3)", "the executor exited with code 3" },
  aborts = { "C.abort()", "killed by signal 6 (Aborted)" },
  kills_itself = { "C.kill(C.getpid(), 9)", "killed by signal 9 (Killed)" },
  kills_its_group = { "C.kill(0, 9)", "killed by signal 9 (Killed)" },
  terminates_itself = { "C.kill(C.getpid(), 15) C.pause()", "killed by signal 15 (Terminated)" },
  closes_the_wire = { "C.close(3) C.pause()", "it closed the wire (fd 3)" },
  writes_to_the_wire = {
    "C.write(3, 'GET / HTTP/1.1\\r\\n\\r\\n', 18) C.pause()", "it wrote a malformed frame to the wire (fd 3)",
  },
  writes_zeros_to_the_wire = { "C.write(3, ('\\0'):rep(99), 99) C.pause()", "it wrote a malformed frame to the wire" },
  writes_a_byte_to_the_wire_and_fails = {
    "C.write(3, '\\64', 1) error 'x'", "it did not tell how a job failed", alone = true,
  },
  clears_the_board = { "C.pwrite(4, ('\\0'):rep(4096), 4096, 0)", "it overwrote the board (fd 4)", alone = true },
  fills_the_board = { "C.pwrite(4, ('\\255'):rep(4096), 4096, 0)", "it overwrote the board (fd 4)", alone = true },
  scribbles_on_the_board = {
    "for at = 0, 4095 do C.pwrite(4, string.char(math.random(0, 255)), 1, at) end", "it overwrote the board (fd 4)",
    alone = true,
  },
}

-- What an executor survives.
local MISHAPS = {
  overflows = { "local function f() return 1 + f() end f()", "stack overflow" },
  overflows_in_c = { "local t = setmetatable({}, {}) getmetatable(t).__index = function(s, k) return s[k] end "
    .. "return t.x", "stack overflow" },
  closes_the_board = { "C.close(4) error 'closed'", "closed" },
  closes_stdout = { "C.close(1) C.close(2) error 'closed'", "closed" },
}

local HANDLERS = {
  ["_bootstrap.lua"] = BOOTSTRAP,
  ["note.lua"] = handler "log.info('ran {n}', { n = job.data.n })",
  ["waits.lua"] = handler "log.info('pid {pid}', { pid = C.getpid() }) io.open(job.data.barrier):read(1)",
  ["spins.lua"] = handler "log.info('pid {pid}', { pid = C.getpid() }) while true do end",
  ["prints.lua"] = handler "for _ = 1, 10240 do print(('x'):rep(1023)) end io.write(('y'):rep(100000))",
  ["forks.lua"] = handler [[
    local child = C.fork()
    if child == 0 then
      while true do C.pause() end
    end
    log.info('child {pid}', { pid = child }) ]],
  ["leaves_a_program.lua"] = handler [[
    os.execute "sleep 1000 & echo child $!"
    if job.data.barrier then io.open(job.data.barrier):read(1) end
    if job.data.spin then while true do end end ]],
}
for name, case in pairs(DEATHS) do
  HANDLERS[name .. ".lua"] = handler(case[1])
end
for name, case in pairs(MISHAPS) do
  HANDLERS[name .. ".lua"] = handler(case[1])
end

local tubes = 0
local function start(tube, settings)
  settings = settings or {}
  settings.tubes = { tube }
  return worker.start { server = server, config = { worker = settings }, jobs = HANDLERS, env = ENV }
end
local function new_tube()
  tubes = tubes + 1
  return "tube" .. tubes
end

local notes = 0
-- Puts so many notes; returns their numbers and ids.
local function put_notes(tube, count)
  local put = {}
  for _ = 1, count do
    notes = notes + 1
    put[notes] = assert(queue:put(body("note", { n = notes }), { tube = tube }))
  end
  return put
end

local function ran_once(w, ...)
  for _, put in ipairs { ... } do
    for n, id in pairs(put) do
      jobs.gone(queue, id)
      w:log("note: ran " .. n .. " ")
      assert.equal(1, select(2, w:output():gsub("note: ran " .. n .. " ", "")))
    end
  end
end

local function failure(w, id)
  return w:log("\n%S+ error [^\n]*was buried: ([^\n]*) server=[^\n]* id=" .. id .. " [^\n]*\n")
end

local function dies(pid, what)
  wait.eventually(10, function()
    return not process.state(pid)
  end, "the end of " .. what)
end

local function children(w)
  local pids = {}
  for pid in temp.read(("/proc/%d/task/%d/children"):format(w.pid, w.pid)):gmatch "%d+" do
    table.insert(pids, tonumber(pid))
  end
  return pids
end

-- All but its connections to the server, which may be one or two.
local function descriptors(w)
  return #dirent.dir(("/proc/%d/fd"):format(w.pid)) - queue:stats()["current-connections"]
end

describe("an executor", function()
  local tube = new_tube()
  local w = start(tube)

  for name, case in pairs(DEATHS) do
    it("dies and is replaced when a handler " .. name:gsub("_", " "), function()
      local before = put_notes(tube, 10)
      local id = queue:put(body(name, {}), { tube = tube })
      local behind = put_notes(tube, 10)
      assert.equal(case[2], (failure(w, id):sub(1, #case[2])))
      jobs.becomes(queue, id, "buried")
      if not case.alone then
        ran_once(w, before, behind)
      end
      ran_once(w, put_notes(tube, 3))
    end)
  end

  for name, case in pairs(MISHAPS) do
    it("survives a handler that " .. name:gsub("_", " "), function()
      local id = queue:put(body(name, {}), { tube = tube })
      local behind = put_notes(tube, 5)
      assert.matches(case[2], failure(w, id))
      ran_once(w, behind)
      failure(w, queue:put(body("exits_0", {}), { tube = tube }))
    end)
  end

  it("is killed from outside: its job failed, the others run once, on another", function()
    local before, closed = put_notes(tube, 30), barrier.new()
    local mark = w:mark()
    local id = queue:put(body("waits", { barrier = closed.path }), { tube = tube })
    local behind = put_notes(tube, 30)
    signal.kill(tonumber((w:log("waits: pid (%d+)", 10, mark))), signal.SIGKILL)
    assert.equal("killed by signal 9 (Killed)", failure(w, id))
    ran_once(w, before, behind)
  end)

  it("is killed while idle and replaced", function()
    ran_once(w, put_notes(tube, 1))
    local killed = children(w)[1]
    signal.kill(killed, signal.SIGKILL)
    dies(killed, "the executor")
    ran_once(w, put_notes(tube, 3))
    assert.equal(1, #children(w))
  end)

  it("may leave a child that holds its stdout; the child dies with it", function()
    for name, pattern in pairs { forks = "forks: child (%d+)", leaves_a_program = "leaves_a_program: child (%d+)" } do
      local id = queue:put(body(name, {}), { tube = tube })
      local child = tonumber((w:log(pattern)))
      jobs.gone(queue, id)
      ran_once(w, put_notes(tube, 3))
      assert.truthy(process.state(child))
      failure(w, queue:put(body("exits_0", {}), { tube = tube }))
      ran_once(w, put_notes(tube, 3))
      dies(child, "the child")
    end
  end)

  it(("costs no descriptor and leaves no zombie in %d crashes"):format(CRASHES), function()
    ran_once(w, put_notes(tube, 1))
    local before = descriptors(w)
    local ids = {}
    for n = 1, CRASHES do
      ids[n] = queue:put(body("exits_3", {}), { tube = tube })
    end
    wait.eventually(120, function()
      return queue:stats_job(ids[CRASHES]).state == "buried"
    end, "the last crash")
    ran_once(w, put_notes(tube, 3))
    assert.equal(before, descriptors(w))
    assert.equal(1, #children(w))
  end)

  it("has done all that without an end of the worker", function()
    assert.is_nil(w:output():find("critical", 1, true))
    assert.equal(0, (w:stop()))
  end)
end)

describe("a job", function()
  it("may print 10 MB", function()
    local tube = new_tube()
    local w = start(tube)
    queue:put(body("prints", {}), { tube = tube })
    ran_once(w, put_notes(tube, 1))
    local lines, bytes = 0, 0
    for run in w:output():gmatch "prints: ([xy]+) stream=stdout [^\n]*\n" do
      lines, bytes = lines + 1, bytes + #run
    end
    assert.same({ 10240 + 7, 10240 * 1023 + 100000 }, { lines, bytes })
    assert.equal(0, (w:stop()))
  end)
end)

describe("a group of executors", function()
  it("loses the one that crashes only", function()
    local tube, closed = new_tube(), barrier.new()
    local w = start(tube, { executors = 2 })
    local long = queue:put(body("waits", { barrier = closed.path }), { tube = tube })
    w:log "waits: pid"
    local before = put_notes(tube, 10)
    local id = queue:put(body("null_pointer", {}), { tube = tube })
    local behind = put_notes(tube, 10)
    assert.matches("signal 11", failure(w, id))
    ran_once(w, before, behind)
    assert.equal("reserved", queue:stats_job(long).state)
    closed:open()
    jobs.gone(queue, long)
    assert.equal(0, (w:stop()))
  end)
end)

describe("the end of the worker", function()
  it("by SIGKILL is the end of its executor and of what that started; the job is ready again", function()
    local closed = barrier.new()
    for _, data in ipairs { { barrier = closed.path }, { spin = true } } do
      local tube = new_tube()
      local w = start(tube)
      local id = queue:put(body("leaves_a_program", data), { tube = tube })
      local child = tonumber((w:log "child (%d+)"))
      local executor = children(w)[1]
      w:kill(signal.SIGKILL)
      dies(executor, "the executor")
      dies(child, "the program")
      jobs.becomes(queue, id, "ready")
    end
  end)

  it("by SIGTERM is the end of what handlers left", function()
    local tube = new_tube()
    local w = start(tube)
    jobs.gone(queue, queue:put(body("leaves_a_program", {}), { tube = tube }))
    local child = tonumber((w:log "child (%d+)"))
    assert.equal(0, (w:stop()))
    dies(child, "the program")
  end)

  it("comes in spite of a loop that cannot be interrupted", function()
    local tube = new_tube()
    local w = start(tube, { shutdown_timeout = "200ms" })
    local id = queue:put(body("spins", {}), { tube = tube })
    local executor = tonumber((w:log "spins: pid (%d+)"))
    w:kill()
    assert.equal(1, (w:wait(5)))
    dies(executor, "the executor")
    assert.equal("ready", queue:stats_job(id).state)
  end)
end)

describe("an executor that dies before its first job", function()
  it("is started again, later and later, until it stays", function()
    local tube = new_tube()
    local dir = worker.project {
      server = server, config = { worker = { tubes = { tube } } },
      jobs = { ["_bootstrap.lua"] = "os.exit(5)", ["note.lua"] = "return function() end" },
    }
    local w = worker.start { dir = dir, env = ENV }
    for _ = 1, 2 do
      w:log("error worker: an executor died before it had run a job: the executor exited with code 5; next start in %d",
        10, w:mark())
    end
    local id = queue:put(body "note", { tube = tube })
    assert.equal("ready", queue:stats_job(id).state)
    temp.write(dir .. "/jobs/_bootstrap.lua", "")
    jobs.gone(queue, id)
    assert.equal(0, (w:stop()))
  end)

  it("does not keep the worker from stopping", function()
    local w = worker.start {
      server = server, config = { worker = { tubes = { new_tube() } } }, jobs = { ["_bootstrap.lua"] = "os.exit(5)" },
      env = ENV,
    }
    w:log "next start in"
    w:kill()
    assert.equal(0, (w:wait(2)))
  end)
end)
