local beanstalkd = require "spec.support.beanstalkd"
local barrier = require "spec.support.barrier"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local signal = require "posix.signal"
local unistd = require "posix.unistd"
local utsname = require "posix.sys.utsname"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()
local body = jobs.body

local HANDLERS = {
  ["note.lua"] = [[
    local log = require "lunastalk.log"
    return function(job) log.info("ran {n}", { n = job.data.n }) end]],
  ["long.lua"] = [[
    local log = require "lunastalk.log"
    return function(job)
      log.info("waits {n}", { n = job.data.n or 0 })
      io.open(job.data.barrier):read(1)
      log.info("passed")
    end]],
  ["last_words.lua"] = [[
    local ffi = require "ffi"
    ffi.cdef "int getppid(void); int kill(int pid, int number);"
    return function(job)
      ffi.C.kill(ffi.C.getppid(), 15)
      io.open(job.data.barrier):read(1)
    end]],
  ["chain.lua"] = [[
    local queue = require "lunastalk.queue"
    return function(job) queue.put { job = "note", data = { n = "next" }, tube = job.data.tube } end]],
}

local tubes = 0
-- A tube of its own for each spec, so that one server is enough.
local function new_tube()
  tubes = tubes + 1
  return "tube" .. tubes
end

-- options: tube, settings of `worker:`, args, env, server, jobs.
local function start(options)
  local settings = options.worker or {}
  settings.tubes = settings.tubes or { options.tube }
  return worker.start {
    server = options.server or server, config = { worker = settings }, jobs = options.jobs or HANDLERS,
    args = options.args, env = options.env,
  }
end

local function put_notes(tube, first, last)
  local ids = {}
  for n = first, last do
    table.insert(ids, (assert(queue:put(body("note", { n = n }), { tube = tube }))))
  end
  return ids
end

-- The notes that ran, in order, each as often as it ran.
local function notes_in(text)
  local ran = {}
  for n in text:gmatch "note: ran (%d+)" do
    table.insert(ran, tonumber(n))
  end
  table.sort(ran)
  return table.concat(ran, " ")
end

local function range(first, last)
  local numbers = {}
  for n = first, last do
    table.insert(numbers, n)
  end
  return table.concat(numbers, " ")
end

-- Ready, with the priority they had, and never buried, kicked or timed out.
local function assert_untouched(ids)
  for _, id in ipairs(ids) do
    local stats = jobs.becomes(queue, id, "ready")
    assert.same({ 0, 0, 0, 1024 }, { stats.timeouts, stats.buries, stats.kicks, stats.pri })
  end
end

-- Waits until one job of the tube is reserved and, of `total` with it, all that have not run are ready.
local function only_one_held(tube, w, total)
  local now, ran
  wait.eventually(10, function()
    now = queue:jobs(tube)
    ran = select(2, w:output():gsub("note: ran", ""))
    return now.reserved == 1 and now.ready + ran + 1 == total
  end, function()
    return ("of %d jobs one reserved: %d reserved, %d ready, %d done"):format(total, now.reserved, now.ready, ran)
  end)
  assert.is_true(now.ready > 0)
end

-- Those of the jobs that still exist.
local function left_of(ids)
  local left = {}
  for _, id in ipairs(ids) do
    table.insert(left, queue:stats_job(id) and id)
  end
  return left
end

describe("starting", function()
  if unistd.geteuid() == 0 then
    it("as root is refused without --allow-root", function()
      local code, _, errors = worker.lunastalk("run", { cwd = worker.project { server = server } })
      assert.equal(78, code)
      assert.matches("does not run as root.*%-%-allow%-root", errors)
    end)
  end

  it("with wrong arguments is refused", function()
    for _, argument in ipairs { "x", "-1", "--max-jobs=0", "--max-jobs=many", "--run=0", "--run=1.5", "--wrong" } do
      local code, _, errors = worker.lunastalk("run", "--allow-root", argument, { cwd = worker.project {} })
      assert.equal(64, code)
      assert.matches("lunastalk run: ", errors)
    end
  end)

  it("makes the worker's id of host, name and number", function()
    local host = utsname.uname().nodename:match "^[^.]*"
    local group = { SUPERVISOR_GROUP_NAME = "images" }
    for _, case in ipairs {
      { "worker1", {}, { SUPERVISOR_GROUP_NAME = false } },
      { "worker7", { 7 }, { SUPERVISOR_GROUP_NAME = false } },
      { "images1", {}, group },
      { "mails0", { 0, "--name=mails" }, group },
    } do
      table.insert(case[2], "--stop-when-empty")
      local w = start { tube = new_tube(), args = case[2], env = case[3] }
      assert.equal(host .. "_" .. case[1], (w:log "starts as (%S+) instance=%x+ "))
      assert.equal(0, (w:wait()))
    end
  end)

  it("gives each start an instance of its own", function()
    local seen = {}
    for _ = 1, 2 do
      local w = start { tube = new_tube(), args = { "--stop-when-empty" } }
      local instance = w:log "instance=(%x+)"
      assert.equal(32, #instance)
      assert.is_nil(seen[instance])
      seen[instance] = true
      w:wait()
    end
  end)

  it("logs what --log-level says", function()
    for level, expected in pairs { debug = { true, true }, info = { false, true }, warning = { false, false } } do
      local tube = new_tube()
      queue:put(body("note", { n = 1 }), { tube = tube })
      local w = start { tube = tube, args = { "--log-level=" .. level, "--max-jobs=1" } }
      w:wait()
      local shown = w:output()
      assert.same(expected, {
        shown:find " debug note: job finished server=%S+ id=%d+ tube=%S+ runtime=0%.%d+ job=note workerId=" ~= nil,
        shown:find " info note: ran 1 " ~= nil,
      })
      assert.equal(expected[2], shown:find "starts as" ~= nil and shown:find "stopping: .*\n.* stopped" ~= nil)
    end
  end)
end)

describe("beanstalkd", function()
  it("may be down at the start: the worker waits and says so", function()
    local late = { address = "127.0.0.1:" .. beanstalkd.free_port() }
    local w = start { server = late, tube = "default" }
    for _ = 1, 2 do
      w:log("warning worker: no beanstalkd at " .. late.address .. ": [^\n]+; next try in %d+%.%d+ s",
        10, w:mark())
    end
    local real = beanstalkd.start { port = tonumber(late.address:match "%d+$") }
    w:log "info worker: connected to beanstalkd [%d.]+"
    w:log "notice worker: beanstalkd at %S+ runs without %-b"
    local client = real:client()
    jobs.gone(client, client:put(body("note", { n = 1 })))
    assert.equal(0, (w:stop()))
  end)

  it("may be restarted: a job of its binlog runs again", function()
    local own, closed = beanstalkd.start { binlog = true }, barrier.new()
    local w = start { server = own, tube = "default" }
    local id = own:client():put(body("long", { barrier = closed.path }))
    w:log "long: waits 0"
    own:stop()
    w:log("warning long: job " .. id .. " lost its reservation while it ran: [^\n]*it will run again")
    local mark = w:mark()
    closed:open()
    own:start_again()
    w:log("long: waits 0", 20, mark)
    jobs.gone(own:client(), id)
    assert.truthy(w:output():find("notice worker: beanstalkd at %S+ was restarted", mark))
    assert.equal(0, (w:stop()))
  end)

  it("may be restarted and forget: nothing is done to a stranger's job with the same id", function()
    local own, closed = beanstalkd.start(), barrier.new()
    local w = start { server = own, tube = "default" }
    local id = own:client():put(body("long", { barrier = closed.path }))
    w:log "long: waits 0"
    own:stop()
    own:start_again()
    local client = own:client()
    assert.equal(id, client:put("a stranger's", { tube = "other" }))
    closed:open()
    jobs.gone(client, client:put(body("note", { n = 1 })))
    assert.equal("a stranger's", client:peek(id))
    assert.same({ "ready", 0, 0 }, (function(stats)
      return { stats.state, stats.reserves, stats.buries }
    end)(client:stats_job(id)))
    assert.equal(0, (w:stop()))
  end)

  it("may listen on a unix socket", function()
    local own = beanstalkd.start { unix = true }
    local w = start { server = own, tube = "default" }
    jobs.gone(own:client(), own:client():put(body("note", { n = 1 })))
    assert.equal(0, (w:stop()))
  end)
end)

describe("tubes", function()
  it("are all watched, `default` only if it is named", function()
    local one, two = new_tube(), new_tube()
    local w = start { worker = { tubes = { one, two } } }
    local ignored = queue:put(body("note", { n = 3 }))
    jobs.gone(queue, queue:put(body("note", { n = 1 }), { tube = one }))
    jobs.gone(queue, queue:put(body("note", { n = 2 }), { tube = two }))
    assert.same({ "ready", 0 }, { queue:stats_job(ignored).state, queue:stats_job(ignored).reserves })
    assert.equal(0, (w:stop()))
    w = start { worker = { tubes = { one } }, args = { "--tube=default", "--tube=" .. two } }
    jobs.gone(queue, ignored, queue:put(body("note", { n = 4 }), { tube = two }))
    assert.equal(0, (w:stop()))
  end)

  it("give the lowest priority number first", function()
    local tube = new_tube()
    for n, priority in ipairs { 3000, 1, 2000 } do
      queue:put(body("note", { n = n }), { tube = tube, priority = priority })
    end
    local w = start { tube = tube, args = { "--stop-when-empty" } }
    w:wait()
    assert.equal("231", (w:output():gsub(".-ran (%d)", "%1"):match "^%d+"))
  end)
end)

describe("executors", function()
  it("run as many jobs at the same time", function()
    local tube, closed, ids = new_tube(), barrier.new(), {}
    local w = start { tube = tube, worker = { executors = 3 } }
    for n = 1, 4 do
      ids[n] = queue:put(body("long", { barrier = closed.path, n = n }), { tube = tube })
    end
    w:log "waits %d.*waits %d.*waits %d"
    assert.same({ ready = 1, reserved = 3, delayed = 0, buried = 0 }, queue:jobs(tube))
    closed:open()
    jobs.gone(queue, unpack(ids))
    assert.equal(0, (w:stop()))
  end)

  it("pass a long job by", function()
    local tube, closed = new_tube(), barrier.new()
    local before = put_notes(tube, 1, 20)
    local long = queue:put(body("long", { barrier = closed.path }), { tube = tube })
    local behind = put_notes(tube, 21, 120)
    local w = start { tube = tube, args = { "--executors=2" } }
    jobs.gone(queue, unpack(before))
    jobs.gone(queue, unpack(behind))
    assert.equal("reserved", queue:stats_job(long).state)
    closed:open()
    jobs.gone(queue, long)
    assert.equal(0, (w:stop()))
    assert.equal(range(1, 120), notes_in(w:output()))
  end)

  it("hoard nothing: what was reserved behind a long job goes back for another worker", function()
    local tube, closed = new_tube(), barrier.new()
    put_notes(tube, 1, 60)
    local long = queue:put(body("long", { barrier = closed.path }), { tube = tube })
    local behind = put_notes(tube, 61, 160)
    local one = start { tube = tube }
    one:log "long: waits 0"
    only_one_held(tube, one, 161)
    assert_untouched(left_of(behind))
    local two = start { tube = tube }
    jobs.gone(queue, unpack(behind))
    assert.equal("reserved", queue:stats_job(long).state)
    closed:open()
    jobs.gone(queue, long)
    assert.equal(0, (two:stop()))
    jobs.gone(queue, unpack(put_notes(tube, 161, 161))) -- the first is still there
    assert.equal(0, (one:stop()))
    assert.equal(range(1, 161), notes_in(one:output() .. two:output()))
  end)
end)

describe("--run", function()
  it("stops after that time", function()
    local w = start { tube = new_tube(), args = { "--run=1" } }
    w:log "starts as"
    local began = wait.now()
    assert.equal(0, (w:wait(10)))
    assert.is_true(wait.now() - began > 0.8)
    assert.matches("stopping: %-%-run is over", w:output())
  end)
end)

describe("--max-jobs", function()
  for _, executors in ipairs { 1, 3 } do
    it("runs exactly so many on " .. executors .. " executors", function()
      local tube = new_tube()
      put_notes(tube, 1, 90)
      local w = start { tube = tube, args = { "--max-jobs=65", "--executors=" .. executors } }
      assert.equal(0, (w:wait()))
      assert.equal(65, select(2, w:output():gsub("note: ran", "")))
      assert.same({ ready = 25, reserved = 0, delayed = 0, buried = 0 }, queue:jobs(tube))
      while true do
        local id = queue:peek_state("ready", tube)
        if not id then
          break
        end
        local stats = queue:stats_job(id)
        assert.same({ 0, 0, 0, 0 }, { stats.releases, stats.timeouts, stats.buries, stats.kicks })
        queue:delete(id)
      end
    end)
  end

  it("counts jobs that fail or are no envelopes", function()
    local tube = new_tube()
    queue:put("no envelope", { tube = tube })
    queue:put(body "unknown", { tube = tube })
    put_notes(tube, 1, 5)
    local w = start { tube = tube, args = { "--max-jobs=3" } }
    assert.equal(0, (w:wait()))
    assert.same({ ready = 4, reserved = 0, delayed = 0, buried = 2 }, queue:jobs(tube))
    assert.matches("stopped worker=%S+ jobs=3 errors=2 workerId=", w:output())
  end)
end)

describe("--stop-when-empty", function()
  it("stops at once when no job is ready", function()
    local tube = new_tube()
    local delayed = queue:put(body("note", { n = 1 }), { tube = tube, delay = 1000 })
    local w = start { tube = tube, args = { "--stop-when-empty" } }
    assert.equal(0, (w:wait()))
    assert.equal("delayed", queue:stats_job(delayed).state)
  end)

  it("runs all that is ready, and what those jobs put", function()
    local tube = new_tube()
    put_notes(tube, 1, 50)
    queue:put(body("chain", { tube = tube }), { tube = tube, priority = 2000 })
    local w = start { tube = tube, args = { "--stop-when-empty" } }
    assert.equal(0, (w:wait()))
    assert.equal(range(1, 50), notes_in(w:output()))
    assert.matches("note: ran next", w:output())
    assert.same({ ready = 0, reserved = 0, delayed = 0, buried = 0 }, queue:jobs(tube))
  end)

  it("waits for a long job on another executor", function()
    local tube, closed = new_tube(), barrier.new()
    local long = queue:put(body("long", { barrier = closed.path }), { tube = tube })
    local short = put_notes(tube, 1, 5)
    local w = start { tube = tube, args = { "--stop-when-empty", "--executors=2" } }
    jobs.gone(queue, unpack(short))
    assert.equal("reserved", queue:stats_job(long).state)
    assert.is_true(w:running())
    closed:open()
    assert.equal(0, (w:wait()))
    assert.is_nil(queue:stats_job(long))
  end)
end)

describe("stopping", function()
  it("is quick when idle", function()
    for _, number in ipairs { signal.SIGTERM, signal.SIGINT, signal.SIGQUIT } do
      local w = start { tube = new_tube() }
      w:log "handlers are loaded"
      w:log "connected to"
      w:kill(number)
      assert.equal(0, (w:wait(1)))
    end
  end)

  it("is quick while nothing answers or nothing is there", function()
    local own = beanstalkd.start()
    local idle = start { server = own, tube = "default" }
    idle:log "connected to"
    own:pause()
    local connecting = start { server = own, tube = "default" }
    local alone = start { server = { address = "127.0.0.1:" .. beanstalkd.free_port() }, tube = "default" }
    connecting:log "handlers are loaded"
    alone:log "no beanstalkd at"
    for _, w in ipairs { idle, connecting, alone } do
      w:kill()
      assert.equal(0, (w:wait(1)))
    end
    own:continue()
  end)

  it("waits for handlers that load, no longer than the grace period", function()
    local closed = barrier.new()
    local w = start {
      tube = new_tube(), worker = { shutdown_timeout = "200ms" },
      jobs = { ["_bootstrap.lua"] = ("print 'loading' io.open(%q):read(1)"):format(closed.path) },
    }
    w:log "loading"
    w:kill()
    assert.equal(0, (w:wait(2)))
  end)

  it("finishes the running job; what was sent ahead goes back at once and unrun", function()
    local tube, closed = new_tube(), barrier.new()
    local before = put_notes(tube, 1, 60)
    local last = queue:put(body("last_words", { barrier = closed.path }), { tube = tube })
    local behind = put_notes(tube, 61, 160)
    local w = start { tube = tube }
    w:log "stopping: Terminated"
    only_one_held(tube, w, 161)
    local left = queue:jobs(tube).ready
    assert.equal("reserved", queue:stats_job(last).state)
    closed:open()
    assert.equal(0, (w:wait()))
    assert.is_nil(queue:stats_job(last))
    assert.same({ ready = left, reserved = 0, delayed = 0, buried = 0 }, queue:jobs(tube))
    assert_untouched(left_of(before))
    assert_untouched(left_of(behind))
  end)

  it("takes no new job", function()
    local tube, closed = new_tube(), barrier.new()
    local w = start { tube = tube, worker = { executors = 2 } }
    local long = queue:put(body("long", { barrier = closed.path }), { tube = tube })
    w:log "waits 0"
    w:kill()
    w:log "stopping"
    local later = put_notes(tube, 1, 1)
    closed:open()
    assert.equal(0, (w:wait()))
    assert.is_nil(queue:stats_job(long))
    assert_untouched(later)
    assert.equal(0, queue:stats_job(later[1]).reserves)
  end)

  local function cut(settings, second_signal)
    local tube, closed = new_tube(), barrier.new()
    local w = start { tube = tube, worker = settings }
    local id = queue:put(body("long", { barrier = closed.path }), { tube = tube })
    w:log "waits 0"
    w:kill()
    w:log "stopping"
    if second_signal then
      w:kill(second_signal)
    end
    assert.equal(1, (w:wait(2)))
    assert_untouched { id }
    assert.matches("job " .. id .. " [^\n]*run again", w:output())
    assert.matches("stopped worker=%S+ jobs=0 errors=0 workerId=", w:output())
    assert.is_nil(w:output():find "failed")
  end

  it("kills what still runs when the grace period is over; it goes back without a failure", function()
    cut { shutdown_timeout = "200ms" }
  end)

  it("does so at once at a second signal", function()
    cut({ shutdown_timeout = "60s" }, signal.SIGTERM)
    cut({ shutdown_timeout = "60s" }, signal.SIGINT)
  end)

  it("leaves no process", function()
    local tube = new_tube()
    local w = start { tube = tube, worker = { executors = 3 } }
    jobs.gone(queue, unpack(put_notes(tube, 1, 10)))
    local _, children = process.run { "cat", ("/proc/%d/task/%d/children"):format(w.pid, w.pid) }
    w:stop()
    local count = 0
    for pid in children:gmatch "%d+" do
      count = count + 1
      assert.is_nil(process.state(tonumber(pid)))
    end
    assert.equal(3, count)
  end)
end)
