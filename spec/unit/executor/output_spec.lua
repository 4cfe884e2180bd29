require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local jit = require "jit"
local lib = require "spec.support.ffi"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"

cdef [[
  size_t uv_loop_size(void);
  size_t uv_handle_size(int type);
  int uv_loop_init(void *loop);
  int uv_loop_close(void *loop);
  int uv_run(void *loop, int mode);
  void uv_close(void *handle, void (*closed)(void *));
]]

local PIPE, NOWAIT, DEFAULT = 7, 2, 0 -- UV_NAMED_PIPE, UV_RUN_NOWAIT, UV_RUN_DEFAULT

cdef(([[
  struct output {
    uint64_t pipe[%d];
    int level;
    const char *name;
    struct buffer line;
    void (*reading)(void *owner);
    void (*printed)(void *owner, struct output *output, const char *line, size_t size);
    void *owner;
  };
  void output_open(struct output *output, void *loop, int fd);
  void output_drain(struct output *output);
]]):format(tonumber(lib.uv_handle_size(PIPE)) / 8))

local LONGEST = 16 * 1024

describe("executor/output", function()
  local loop, output, writer, lines, printed, reading

  -- C that calls Lua back must not be called from compiled code.
  local function run(mode)
    lib.uv_run(loop, mode)
  end
  jit.off(run)

  local function drain()
    lib.output_drain(output)
  end
  jit.off(drain)

  local function expect(...)
    local expected = { ... }
    wait.eventually(5, function()
      run(NOWAIT)
      return #lines >= #expected
    end, "the lines")
    assert.same(expected, lines)
  end
  jit.off(expect, true)

  setup(function()
    reading = ffi.cast("void (*)(void *)", function() end)
    printed = ffi.cast("void (*)(void *, struct output *, const char *, size_t)", function(_, from, line, size)
      assert(from == output)
      table.insert(lines, ffi.string(line, size))
    end)
  end)

  teardown(function()
    printed:free()
    reading:free()
  end)

  before_each(function()
    local reader
    lines = {}
    reader, writer = unistd.pipe()
    loop = ffi.new("uint64_t[?]", tonumber(lib.uv_loop_size()) / 8)
    assert(lib.uv_loop_init(loop) == 0)
    output = ffi.new("struct output", { printed = printed, reading = reading })
    lib.output_open(output, loop, reader)
  end)

  after_each(function()
    unistd.close(writer)
    lib.uv_close(output.pipe, nil)
    run(DEFAULT)
    assert.equal(0, lib.uv_loop_close(loop))
    lib.buffer_free(output.line)
  end)

  it("gives whole lines away, without their ends", function()
    unistd.write(writer, "one\n\ntwo\0\255\nthr")
    expect("one", "", "two\0\255")
    unistd.write(writer, "ee\n")
    expect("one", "", "two\0\255", "three")
  end)

  it("cuts lines over 16 KB into pieces, and goes on after them", function()
    unistd.write(writer, ("x"):rep(LONGEST) .. "\n" .. ("y"):rep(LONGEST + 1) .. "\n")
    expect(("x"):rep(LONGEST), ("y"):rep(LONGEST), "y")
    unistd.write(writer, "z\n")
    expect(("x"):rep(LONGEST), ("y"):rep(LONGEST), "y", "z")
  end)

  it("cuts them between characters, and has no empty line behind one of exactly 16 KB", function()
    unistd.write(writer, "x" .. ("é"):rep(LONGEST / 2) .. "\n" .. ("y"):rep(LONGEST))
    expect("x" .. ("é"):rep(LONGEST / 2 - 1), "é")
    unistd.write(writer, "\nz\n")
    expect("x" .. ("é"):rep(LONGEST / 2 - 1), "é", ("y"):rep(LONGEST), "z")
  end)

  it("drains what is there now, and ends the line that was begun", function()
    unistd.write(writer, "one\ntwo")
    drain()
    assert.same({ "one", "two" }, lines)
    drain()
    assert.same({ "one", "two" }, lines)
    unistd.write(writer, "three\n")
    expect("one", "two", "three")
  end)

  it("drains a line begun before", function()
    unistd.write(writer, "one\ntw")
    expect "one"
    unistd.write(writer, "o")
    drain()
    assert.same({ "one", "two" }, lines)
  end)

  it("bears the end of the pipe, and a drain after it", function()
    unistd.write(writer, "one\ntwo")
    unistd.close(writer)
    expect "one"
    run(NOWAIT)
    drain()
    assert.same({ "one", "two" }, lines)
    local _
    _, writer = unistd.pipe()
    unistd.close(_)
  end)
end)
