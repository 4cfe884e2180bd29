local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"
local pwd = require "posix.pwd"
local stat = require "posix.sys.stat"
local sys_wait = require "posix.sys.wait"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"

cdef "void files_remove(const char *directory, bool whole);"

local function exists(path)
  return stat.lstat(path) ~= nil
end

-- Calls it in a process of somebody whom locked directories stop, as they do not stop root.
local function as_nobody(call)
  local child = assert(unistd.fork())
  if child == 0 then
    local fine = unistd.getuid() ~= 0 or unistd.setpid("u", pwd.getpwnam("nobody").pw_uid)
    unistd._exit(fine and pcall(call) and 0 or 1)
  end
  assert.same({ "exited", 0 }, { select(2, sys_wait.wait(child)) })
end

describe("base/files removes", function()
  local base, directory

  before_each(function()
    base = temp.dir()
    directory = base .. "/directory"
    temp.write(directory .. "/file", "x")
    temp.write(directory .. "/.hidden", "x")
    temp.write(directory .. "/a/b\n/" .. ("c/"):rep(50) .. "deep", "x")
    assert(os.execute(("mkdir '%s/empty' && mkfifo '%s/fifo'"):format(directory, directory)))
  end)

  it("all that is below, and the directory itself when asked", function()
    lib.files_remove(directory, false)
    assert.is_true(exists(directory))
    assert.is_true(unistd.rmdir(directory) == 0) -- it is empty
    temp.write(directory .. "/file", "x")
    lib.files_remove(directory, true)
    assert.is_false(exists(directory))
    assert.is_true(exists(base))
  end)

  it("links, but nothing that they point to", function()
    local kept = temp.write(base .. "/kept/file", "x")
    assert.equal(0, unistd.link(base .. "/kept", directory .. "/to-directory", true))
    assert.equal(0, unistd.link(kept, directory .. "/to-file", true))
    assert.equal(0, unistd.link(kept, directory .. "/hard"))
    assert.equal(0, unistd.link("/nowhere", directory .. "/dangling", true))
    assert.equal(0, unistd.link("..", directory .. "/upwards", true))
    lib.files_remove(directory, true)
    assert.is_false(exists(directory))
    assert.equal("x", temp.read(kept))
  end)

  it("nothing through a link in place of the directory", function()
    assert.equal(0, unistd.link(directory, base .. "/link", true))
    lib.files_remove(base .. "/link", false)
    assert.is_true(exists(directory .. "/file"))
  end)

  it("what its owner has locked", function()
    assert(os.execute(("cd '%s' && mkdir -p locked/in/deeper && touch locked/in/file && chmod 0 locked/in/file && "
      .. "chmod 0 locked/in/deeper && chmod 500 locked/in && chmod 0 locked && chmod 500 a"):format(directory)))
    if unistd.getuid() == 0 then
      assert(os.execute(("chown -R nobody '%s' && chmod 711 '%s'"):format(base, base)))
    end
    as_nobody(function() lib.files_remove(directory, true) end)
    assert.is_false(exists(directory))
  end)

  it("many files", function()
    assert(os.execute(("cd '%s' && seq 2000 | xargs touch && mkdir d && cd d && seq 300 | xargs mkdir")
      :format(directory)))
    lib.files_remove(directory, true)
    assert.is_false(exists(directory))
  end)

  it("a directory that is not there, quietly, or a file of that name", function()
    lib.files_remove(base .. "/none", true)
    lib.files_remove(directory .. "/file", true)
    lib.files_remove("", true)
    assert.is_true(exists(base))
  end)
end)
