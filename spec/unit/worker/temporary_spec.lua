local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"
local stat = require "posix.sys.stat"
local stdlib = require "posix.stdlib"
local signal = require "posix.signal"
local sys_wait = require "posix.sys.wait"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"

cdef "struct error { char text[1024]; };"
header "worker/temporary.h"

local UID = unistd.geteuid()

local function exists(path)
  return stat.lstat(path) ~= nil
end

describe("worker/temporary", function()
  local root, base, before

  before_each(function()
    before = os.getenv "TMPDIR"
    root = temp.dir()
    base = ("%s/lunastalk-%d"):format(root, UID)
    stdlib.setenv("TMPDIR", root)
  end)

  after_each(function()
    stdlib.setenv("TMPDIR", before)
  end)

  -- The opened directory, or nil and why there is none.
  local function open(instance)
    local temporary, problem = ffi.new "struct temporary", ffi.new "struct error"
    if lib.temporary_open(temporary, instance or "0123456789abcdef", problem) == 0 then
      return temporary
    end
    assert.equal("", ffi.string(temporary.path))
    lib.temporary_close(temporary) -- no mistake
    return nil, ffi.string(problem.text)
  end

  -- What the next start of a worker removes is gone after it.
  local function start_again()
    local temporary = assert(open())
    lib.temporary_close(temporary)
  end

  local function refused(problem)
    local temporary, why = open()
    assert.is_nil(temporary)
    assert.equal(base .. problem, why)
  end

  -- A process that holds a directory of its own until the pipe's end is closed; its path, its id and that end.
  local function holder(instance)
    local from_child, to_parent = unistd.pipe()
    local held, release = unistd.pipe()
    local child = assert(unistd.fork())
    if child == 0 then
      unistd.close(release)
      local temporary = open(instance)
      unistd.write(to_parent, temporary and ffi.string(temporary.path) or "none")
      unistd.read(held, 1)
      unistd._exit(0)
    end
    unistd.close(to_parent)
    unistd.close(held)
    local path = unistd.read(from_child, 1000)
    unistd.close(from_child)
    return path, child, release
  end

  it("makes a directory of its own, and of its user alone", function()
    local temporary = assert(open "0123456789abcdef")
    local path = ffi.string(temporary.path)
    assert.equal(("%s/%d-01234567"):format(base, unistd.getpid()), path)
    for _, directory in ipairs { base, path } do
      local about = stat.lstat(directory)
      assert.equal(UID, about.st_uid)
      assert.equal(tonumber("40700", 8), about.st_mode)
    end
    lib.temporary_close(temporary)
    assert.is_true(exists(base))
  end)

  it("is private whatever the umask", function()
    local mask = stat.umask(0)
    local temporary = assert(open())
    stat.umask(mask)
    assert.equal(tonumber("40700", 8), stat.lstat(ffi.string(temporary.path)).st_mode)
    lib.temporary_close(temporary)
  end)

  it("removes it with all that is in it", function()
    local temporary = assert(open())
    local path = ffi.string(temporary.path)
    temp.write(path .. "/1/deep/file", "x")
    lib.temporary_close(temporary)
    assert.is_false(exists(path))
  end)

  it("is below /tmp where TMPDIR is unusable", function()
    for _, value in ipairs { "", "relative", "/" .. ("x"):rep(400) } do
      stdlib.setenv("TMPDIR", value)
      local temporary = assert(open())
      assert.equal(("/tmp/lunastalk-%d/"):format(UID), ffi.string(temporary.path):match "^.*/")
      lib.temporary_close(temporary)
    end
  end)

  describe("refuses a place that", function()
    local not_ours = " is not a directory of ours alone (mode 0700)"

    it("others can read", function()
      for _, mode in ipairs { "755", "770", "701", "1777" } do
        assert(os.execute(("mkdir -p '%s' && chmod %s '%s'"):format(base, mode, base)))
        refused(not_ours)
      end
    end)

    it("belongs to somebody else", function()
      if UID ~= 0 then
        return -- only root can give directories away
      end
      assert(os.execute(("mkdir -m 700 '%s' && chown 65534 '%s'"):format(base, base)))
      refused(not_ours)
    end)

    it("is a link, a file or a dangling link", function()
      assert(os.execute(("mkdir -m 700 '%s/real'"):format(root)))
      assert.equal(0, unistd.link(root .. "/real", base, true))
      refused(not_ours)
      assert.equal(0, unistd.unlink(base))
      assert.equal(0, unistd.link(root .. "/none", base, true))
      refused(not_ours)
      assert.is_false(exists(root .. "/none"))
      assert.equal(0, unistd.unlink(base))
      temp.write(base, "")
      refused(not_ours)
    end)

    it("cannot be made", function()
      stdlib.setenv("TMPDIR", root .. "/none")
      local temporary, why = open()
      assert.is_nil(temporary)
      assert.equal(("cannot make %s/none/lunastalk-%d: No such file or directory"):format(root, UID), why)
    end)
  end)

  it("removes what dead workers left, and nothing of living ones", function()
    local living, living_pid, release_living = holder "living"
    local dead, dead_pid = holder "dead"
    for _, path in ipairs { living, dead } do
      temp.write(path .. "/7/file", "x")
    end
    signal.kill(dead_pid, signal.SIGKILL)
    sys_wait.wait(dead_pid)
    temp.write(base .. "/4711-00000000/left", "x") -- of a worker that never locked it
    local temporary = assert(open())
    assert.is_true(exists(living .. "/7/file"))
    assert.is_false(exists(dead))
    assert.is_false(exists(base .. "/4711-00000000"))
    lib.temporary_close(temporary)
    unistd.close(release_living)
    sys_wait.wait(living_pid)
    assert.is_true(exists(living)) -- it did not close it: the next start does
    start_again()
    assert.is_false(exists(living))
  end)

  it("follows no link among the leftovers", function()
    local kept = temp.write(root .. "/kept/file", "x")
    start_again()
    assert.equal(0, unistd.link(root .. "/kept", base .. "/1-00000000", true))
    start_again()
    assert.equal("x", temp.read(kept))
  end)

  it("keeps its lock from the programs that it starts", function()
    local temporary = assert(open())
    local flags = require("posix.fcntl").fcntl(temporary.lock, require("posix.fcntl").F_GETFD)
    assert.equal(require("posix.fcntl").FD_CLOEXEC, flags)
    lib.temporary_close(temporary)
  end)
end)
