--- Temporary files of jobs are gone after the job, however it ends.
local barrier = require "spec.support.barrier"
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local dirent = require "posix.dirent"
local jobs = require "spec.support.jobs"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()

-- Makes a file in each place, tells the paths, and ends as it is told.
local MAKES = [[
local ffi, json, log = require "ffi", require "lunastalk.json", require "lunastalk.log"
ffi.cdef "int getpid(void); int kill(int pid, int number);"
local function write(path)
  local file = assert(io.open(path, "w"))
  file:write "x"
  file:close()
  return path
end
return { timeout = 60, process = function(job)
  local dir = job:tempdir()
  assert(dir == job:tempdir())
  local shell = io.popen "mktemp"
  assert(os.execute("mkdir -p " .. dir .. "/a/b && chmod 000 " .. dir .. "/a/b") == 0)
  local paths = { dir, write(dir .. "/file"), write(os.tmpname()), write(os.getenv "TMPDIR" .. "/named"),
    (shell:read "*l") }
  shell:close()
  os.execute("ln -s / " .. dir .. "/link")
  log.info("made {paths}", { paths = json.encode(paths) })
  if job.data.ends == "fails" then error "no" end
  if job.data.ends == "dies" then ffi.C.kill(ffi.C.getpid(), 9) end
  if job.data.ends == "spins" then while true do end end
  if job.data.ends == "stays" then io.open(job.data.barrier):read(1) end
end }]]

local function start(root)
  return worker.start {
    server = server, jobs = { ["makes.lua"] = MAKES }, env = { TMPDIR = root },
  }
end

local function put(ends, envelope)
  envelope = envelope or {}
  envelope.job, envelope.data = "makes", { ends = ends, barrier = envelope.barrier }
  envelope.barrier = nil
  return (assert(queue:put(cjson.encode(envelope))))
end

local function paths_of(w, id)
  local text = w:log("made (%[[^\n]*%]) server=%S+ id=" .. id .. "%f[%D]")
  return cjson.decode((text:gsub('\\"', '"')))
end

local function names(path)
  local found = {}
  for _, name in ipairs(stat.lstat(path) and dirent.dir(path) or {}) do
    if name ~= "." and name ~= ".." then
      table.insert(found, name)
    end
  end
  return found
end

local function vanish(paths)
  for _, path in ipairs(paths) do
    wait.eventually(10, function()
      return not stat.lstat(path)
    end, "the end of " .. path)
  end
end

describe("temporary files", function()
  local root = temp.dir()
  local base = ("%s/lunastalk-%d"):format(root, unistd.geteuid())
  local w = start(root)

  it("are in a private directory below TMPDIR", function()
    local id = put "succeeds"
    for _, path in ipairs(paths_of(w, id)) do
      assert.equal(base .. "/", path:sub(1, #base + 1))
    end
    local about = stat.stat(base)
    assert.same({ tonumber("700", 8), unistd.geteuid() }, { about.st_mode % tonumber("1000", 8), about.st_uid })
    jobs.gone(queue, id)
  end)

  for _, ends in ipairs { "succeeds", "fails", "dies", "spins" } do
    it("are gone after a job that " .. ends, function()
      local id = put(ends, { timeout = ends == "spins" and 2 or nil })
      local paths = paths_of(w, id)
      assert.equal(5, #paths)
      if ends == "succeeds" then
        jobs.gone(queue, id)
      else
        jobs.becomes(queue, id, "buried")
      end
      vanish(paths)
    end)
  end

  it("leave nothing when the worker stops", function()
    assert.equal(0, (w:stop()))
    assert.same({}, names(base))
    assert.truthy(stat.stat "/tmp") -- a symbolic link is removed, not what it points to
  end)

  it("of a worker that was killed are removed at the next start, those of a living one are not", function()
    local first, second = barrier.new(), barrier.new()
    local killed = start(root)
    local id = put("stays", { barrier = first.path })
    local left = paths_of(killed, id)
    killed:kill(signal.SIGKILL)
    killed:wait()
    for _, path in ipairs(left) do
      assert.truthy(stat.lstat(path))
    end
    jobs.becomes(queue, id, "ready")
    queue:delete(id)
    local living = start(root)
    vanish(left)
    id = put("stays", { barrier = second.path })
    local kept = paths_of(living, id)
    local next_one = start(root)
    next_one:log "handlers are loaded"
    assert.truthy(stat.lstat(kept[1]))
    second:open()
    jobs.gone(queue, id)
    assert.equal(0, (living:stop()))
    assert.equal(0, (next_one:stop()))
    assert.same({}, names(base))
  end)
end)

describe("a directory in the way", function()
  it("of others is not used; jobs run without, and job:tempdir says so", function()
    local root = temp.dir()
    local base = ("%s/lunastalk-%d"):format(root, unistd.geteuid())
    assert(stat.mkdir(base))
    assert(os.execute("chmod 777 " .. base) == 0)
    local w = start(root)
    w:log "warning worker: jobs have no directory for temporary files: %S+ is not a directory of ours alone"
    local id = put "succeeds"
    jobs.becomes(queue, id, "buried")
    w:log "was buried: jobs/makes.lua:%d+: job:tempdir: "
    assert.equal(0, (w:stop()))
    assert.same({}, names(base))
  end)
end)
