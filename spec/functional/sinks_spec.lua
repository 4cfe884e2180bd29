--- stdout and files as sinks of `log:`, when all is well, disks are full and readers gone.
local barrier = require "spec.support.barrier"
local cleanup = require "spec.support.cleanup"
local fcntl = require "posix.fcntl"
local grp = require "posix.grp"
local jobs = require "spec.support.jobs"
local logs = require "spec.support.logs"
local process = require "spec.support.process"
local pwd = require "posix.pwd"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local FILE = { to = "file", level = "notice", format = "json", path = "sink.log" }
local STDOUT = { to = "stdout", level = "warning" }

describe("a file", function()
  it("gets the directories above it, and lines that name the worker", function()
    local w = logs.start { { to = "file", level = "info", path = "a/b/c/sink.log" } }
    logs.run(w, { who = "line", last = 3 })
    logs.ends(w)
    local text = temp.read(w.dir .. "/a/b/c/sink.log")
    local lines = logs.count(text, "\n")
    assert.is_true(lines > 3)
    local ending = " workerId=%S+_worker1 instanceHash=" .. ("%x"):rep(32) .. "\n"
    assert.equal(lines, logs.count(text, "Z %l+ %S+: [^\n]*" .. ending))
    assert.matches("Z notice says: line 3 [^\n]*\n", text)
  end)

  it("is appended to, whoever else writes there", function()
    local w = logs.start { FILE }
    local path = temp.write(w.dir .. "/sink.log", '"before"\n')
    for n = 1, 2 do
      logs.run(w, { who = "appends", first = n, last = n })
      logs.shows(path, logs.line_number(n))
      local other = assert(io.open(path, "a"))
      other:write('"other ', n, '"\n')
      other:close()
    end
    logs.run(w, { who = "appends", first = 3, last = 3 })
    logs.ends(w)
    local order = temp.read(path):gsub('[^\n]*"n":(%d)[^\n]*', "%1"):gsub("\n", " ")
    assert.equal('"before" 1 "other 1" 2 "other 2" 3 ', order)
  end)

  it("has all of a burst that is larger than what is kept", function()
    local w = logs.start { FILE }
    logs.run(w, { who = "burst", last = 4000, size = 8000 })
    logs.ends(w)
    local found = logs.numbers(logs.parse(temp.read(w.dir .. "/sink.log")), "burst")
    assert.same({ 4000, 4000 }, { #found, found[#found] })
  end)

  it("is shared by workers, each line whole", function()
    local path, door = temp.dir() .. "/shared.log", barrier.new()
    local log = { { to = "file", level = "notice", format = "json", path = path } }
    local one, two = logs.start(log), logs.start(log, nil, { 2 })
    local first = logs.put(one, "says", { who = "one", last = 2000, before = door.path, size = 300 })
    local second = logs.put(two, "says", { who = "two", last = 2000, before = door.path, size = 300 })
    jobs.becomes(logs.queue, first, "reserved")
    jobs.becomes(logs.queue, second, "reserved")
    door:open()
    jobs.gone(logs.queue, first, second)
    logs.ends(one)
    logs.ends(two)
    local records, broken = logs.parse(temp.read(path))
    assert.equal(0, broken)
    assert.same(logs.range(1, 2000), logs.numbers(records, "one"))
    assert.same(logs.range(1, 2000), logs.numbers(records, "two"))
    for _, record in ipairs(records) do
      assert.matches(record.context.who == "one" and "_worker1$" or "_worker2$", record.extra.workerId)
    end
  end)

  it("that was renamed is made anew at USR1, and no record is lost", function()
    local w = logs.start { FILE }
    local path, paths = w.dir .. "/sink.log", {}
    logs.whole_over(w, paths, function()
      for n = 1, 5 do
        paths[n] = "sink.log." .. n
        assert(os.rename(path, w.dir .. "/" .. paths[n]))
        w:kill(signal.SIGUSR1)
        logs.shows(path, '"steady %d+"')
      end
      table.insert(paths, "sink.log")
    end)
  end)
end)

describe("logrotate", function()
  local shipped = temp.read "scripts/logrotate/lunastalk"
  local user = pwd.getpwuid(unistd.geteuid()).pw_name
  local group = grp.getgrgid(unistd.getegid()).gr_name

  -- The shipped file; its path, its user and, with `instead` of its postrotate, how the worker is told are others.
  local function rotate(w, instead)
    local text, changes = shipped, 0
    for from, to in pairs {
      ["\n/var/log/lunastalk/%*%.log "] = "\n" .. w.dir .. "/sink.log ",
      ["\n    su www%-data www%-data\n"] = "\n    su " .. user .. " " .. group .. "\n",
      ["\n    postrotate\n.*endscript\n"] = "\n" .. instead .. "\n",
    } do
      local times
      text, times = text:gsub(from, (to:gsub("%%", "%%%%")))
      changes = changes + times
    end
    assert.equal(3, changes)
    local file = temp.write(w.dir .. "/logrotate.conf", "create\n" .. text)
    local code, _, errors = process.run { "/usr/sbin/logrotate", "-s", w.dir .. "/logrotate.state", "-f", file }
    assert.same({ 0, "" }, { code, errors })
  end

  it("accepts the shipped file", function()
    local file = temp.write(temp.dir() .. "/lunastalk", shipped) -- its owner and mode count too
    local code, _, errors = process.run { "/usr/sbin/logrotate", "-d", "-s", temp.dir() .. "/state", file }
    assert.equal(0, code)
    assert.matches("rotating pattern: /var/log/lunastalk/%*%.log", errors)
    assert.not_matches("error", errors)
  end)

  it("loses no record with create and the signal", function()
    local w = logs.start { FILE }
    logs.whole_over(w, { "sink.log.1", "sink.log" }, function()
      rotate(w, ("postrotate\nkill -USR1 %d\nendscript"):format(w.pid))
      logs.shows(w.dir .. "/sink.log", '"steady %d+"')
    end)
  end)

  it("has the worker go on at the beginning of the file with copytruncate", function()
    local w = logs.start { FILE }
    local path = w.dir .. "/sink.log"
    logs.run(w, { who = "copy", last = 100 })
    logs.shows(path, logs.line_number(100))
    rotate(w, "copytruncate")
    logs.run(w, { who = "copy", first = 101, last = 200 })
    logs.ends(w)
    assert.same(logs.range(1, 100), logs.numbers(logs.parse(temp.read(path .. ".1")), "copy"))
    local records, broken = logs.parse(temp.read(path))
    assert.same({ logs.range(101, 200), 0 }, { logs.numbers(records, "copy"), broken })
  end)
end)

describe("a disk that is full", function()
  -- 64 KB of which 8 are free; nil where mounting is not permitted.
  local function small_disk()
    local dir = temp.dir()
    if process.run { "mount", "-t", "tmpfs", "-o", "size=64k", "none", dir } ~= 0 then
      return nil
    end
    cleanup(function()
      process.run { "umount", dir }
    end)
    temp.write(dir .. "/filler", ("x"):rep(56 * 1024))
    return dir
  end

  local disk = small_disk()
  local it_if_mounted = disk and it or function() end
  it_if_mounted("costs the record that it cuts, is said once, and has all others when there is room", function()
    local path = disk .. "/sink.log"
    local w = logs.start { { to = "file", level = "notice", format = "json", path = path }, STDOUT }
    logs.run(w, { who = "full", last = 20, size = 1000 })
    w:log "Z warning worker: the log to file %S+/sink.log fails: No space left on device workerId="
    logs.run(w, { who = "full", first = 21, last = 25, size = 1000 })
    os.remove(disk .. "/filler")
    local lost = w:log(" works again; (%d+) records were lost")
    logs.shows(path, "works again; " .. lost .. " records were lost")
    logs.run(w, { who = "full", first = 26, last = 26 })
    logs.ends(w)
    local records, broken = logs.parse(temp.read(path))
    local found = logs.numbers(records, "full")
    assert.is_true(broken <= 1 and tonumber(lost) == broken)
    assert.equal(26, #found + lost)
    assert.same({ 1, 26 }, { found[1], found[#found] })
    assert.equal(1, logs.count(w:output(), "Z warning worker: the log to file %S+ fails: "))
    assert.equal(1, logs.count(w:output(), "lunastalk: the log to file %S+ fails: No space left on device "))
  end)

  it("is no reason to do no jobs", function()
    local w = logs.start { { to = "file", level = "notice", path = "/dev/full" }, STDOUT }
    logs.run(w, { who = "full", last = 10 })
    w:log "Z warning worker: the log to file /dev/full fails: No space left on device workerId="
    logs.run(w, { who = "full", last = 10 })
    logs.ends(w)
    assert.equal(2, logs.count(w:output(), "the log to file /dev/full fails: ")) -- in the log, and on stderr
  end)
end)

describe("a file that cannot be opened", function()
  it("is said once, tried again, and has the records when it can be", function()
    local w = logs.start { { to = "file", level = "notice", format = "json", path = "blocked/sink.log" }, STDOUT }
    temp.write(w.dir .. "/blocked", "")
    logs.run(w, { who = "blocked", last = 1 })
    w:log "Z warning worker: the log to file %S+/blocked/sink.log fails: Not a directory workerId="
    local said, n = wait.now(), 1
    repeat -- it is tried again each second, and at each signal
      w:kill(signal.SIGUSR1)
      n = n + 1
      logs.run(w, { who = "blocked", first = n, last = n })
    until wait.now() > said + 1.1
    os.remove(w.dir .. "/blocked")
    w:kill(signal.SIGUSR1)
    local failures = tonumber((w:log "works again; 0 records were lost failures=(%d+)"))
    logs.ends(w)
    assert.is_true(failures > 1)
    assert.equal(1, logs.count(w:output(), "Z warning worker: the log to file %S+ fails: "))
    assert.same(logs.range(1, n), logs.numbers(logs.parse(temp.read(w.dir .. "/blocked/sink.log")), "blocked"))
  end)

  it("shows why the directories above it cannot be made", function()
    local dir = worker.project { config = { log = { { to = "file", path = "closed/a/b/sink.log" } } } }
    local program = worker.built "lunastalk"
    local user = unistd.geteuid() == 0 and "nobody" or nil -- whom a mode keeps out
    assert(os.execute(("cd %s && cp %s . && chmod -R a+rX . && mkdir -m 555 closed"):format(dir, program)))
    local code, output = process.run({ dir .. "/lunastalk", "log-test" }, { cwd = dir, user = user })
    assert.equal(1, code)
    assert.matches(" Permission denied\n$", output)
  end)
end)

describe("a file that is closed", function()
  local FULL = { to = "file", level = "error", path = "/dev/full" }
  local TOLD = { to = "stdout", level = "info" }

  it("has its records counted that were not written, by a reload and at the end", function()
    local w = logs.start { FULL, TOLD }
    logs.run(w, { who = "full", last = 5, level = "error" })
    logs.reload(w, { TOLD })
    w:log "Z warning worker: 5 records for the log to file /dev/full were lost: it was closed before "
    logs.reload(w, { FULL, TOLD })
    logs.run(w, { who = "full", last = 3, level = "error" })
    logs.ends(w)
    assert.matches("\nlunastalk: 3 records for the log to file /dev/full were lost\n", w:output())
  end)
end)

describe("stdout", function()
  local LOG = { { to = "stdout", level = "notice", format = "json" }, FILE }

  -- A pipe that is open on our side, with nobody reading.
  local function open_pipe()
    local path = temp.dir() .. "/stdout"
    assert(stat.mkfifo(path, tonumber("600", 8)))
    return path, assert(fcntl.open(path, fcntl.O_RDWR + fcntl.O_NONBLOCK))
  end

  it("that nobody reads holds up neither jobs nor other sinks, and has all that was kept", function()
    local path, pipe = open_pipe()
    local w = logs.start_redirected(">" .. path, LOG)
    logs.run(w, { who = "pipe", last = 500, size = 1000 })
    logs.shows(w.dir .. "/sink.log", logs.line_number(500))
    logs.run(w, { who = "pipe", first = 501, last = 501 })
    logs.shows(w.dir .. "/sink.log", logs.line_number(501))
    local text = {}
    wait.eventually(10, function()
      local bytes = unistd.read(pipe, 65536)
      table.insert(text, bytes)
      return bytes and table.concat(text, "", math.max(#text - 1, 1)):find(logs.line_number(501))
    end, "the last record in the pipe")
    unistd.close(pipe)
    logs.ends(w)
    local records, broken = logs.parse(table.concat(text))
    assert.same({ logs.range(1, 501), 0 }, { logs.numbers(records, "pipe"), broken })
    assert.same(logs.range(1, 501), logs.numbers(logs.parse(temp.read(w.dir .. "/sink.log")), "pipe"))
  end)

  local function goes_on(w, why)
    logs.run(w, { who = "closed", last = 3 })
    logs.shows(w.dir .. "/sink.log", "the log to stdout fails: " .. why)
    logs.run(w, { who = "closed", first = 4, last = 6 })
    logs.ends(w)
    local records = logs.parse(temp.read(w.dir .. "/sink.log"))
    assert.same(logs.range(1, 6), logs.numbers(records, "closed"))
    assert.equal(7, #records)
    assert.equal(1, logs.count(temp.read(w.dir .. "/sink.log"), "the log to stdout fails: "))
  end

  it("whose reader is gone is one warning in the file, and jobs go on", function()
    local path, pipe = open_pipe()
    local w = logs.start_redirected(">" .. path, { { to = "stdout", level = "notice" }, FILE })
    logs.run(w, { who = "reader", last = 0 })
    unistd.close(pipe)
    goes_on(w, "Broken pipe")
  end)

  it("that was closed from the beginning is the same", function()
    goes_on(logs.start_redirected(">&-", { { to = "stdout", level = "notice" }, FILE }), "Bad file descriptor")
  end)
end)
