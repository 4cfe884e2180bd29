local cdef = require "spec.support.cdef"
local fcntl = require "posix.fcntl"
local ffi = require "ffi"
local lib = require "spec.support.ffi"
local signal = require "posix.signal"
local sinks = require "spec.support.sink"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"

cdef [[
  struct kept { size_t most; struct buffer lines; size_t begun; unsigned long long dropped; };
  struct stream { struct sink *sink; int fd; size_t most; struct kept kept; bool broken; };
]]

local KEPT_MOST = 1024 * 1024

describe("log/sink_stream", function()
  local class = lib.sink_stream
  local reader, writer, sink, sigpipe, told

  local function write(record)
    class.take(sink, sinks.record(record))
  end

  local function flush()
    return class.flush(sink)
  end

  -- What is in the pipe now, `most` bytes of it.
  local function read(most)
    local parts, left = {}, most or math.huge
    while left > 0 do
      local part = unistd.read(reader, math.min(left, 65536))
      if not part or part == "" then
        break
      end
      parts[#parts + 1], left = part, left - #part
    end
    return table.concat(parts)
  end

  -- All that comes while it is read and flushed to the end.
  local function drain()
    local parts = {}
    repeat
      local left = flush()
      parts[#parts + 1] = read()
    until not left
    return table.concat(parts)
  end

  -- As the log was told, once.
  local function lost()
    assert.equal(1, #told)
    return tonumber(told[1]:match "worker: (%d+) records for the log to email a@b.c were lost")
  end

  setup(function()
    sigpipe = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
  end)

  teardown(function()
    signal.signal(signal.SIGPIPE, sigpipe)
  end)

  before_each(function()
    reader, writer = unistd.pipe()
    fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.O_NONBLOCK)
    local handle
    handle, told = sinks.open "warning"
    sink = ffi.cast("struct stream *", class.open(nil, sinks.config "{to: stderr}", handle))
    sink.fd, sink.most = writer, 4096
  end)

  after_each(function()
    unistd.close(reader)
    unistd.close(writer)
    class.close(sink)
  end)

  it("keeps records until it is flushed, then writes them in their order", function()
    write "one\n"
    write "two\n"
    assert.equal("", read())
    assert.is_false(flush())
    assert.equal("one\ntwo\n", read())
    assert.is_false(flush())
    assert.equal("", read())
  end)

  it("leaves the descriptor in blocking mode", function()
    write "one\n"
    flush()
    assert.equal(0, bit.band(fcntl.fcntl(writer, fcntl.F_GETFL), fcntl.O_NONBLOCK))
  end)

  it("writes records longer than a pipe, as it is read", function()
    local record = ("x"):rep(300000) .. "\n"
    write(record)
    write "next\n"
    assert.is_true(flush())
    assert.equal(record .. "next\n", drain())
  end)

  it("does not block on a full pipe, and loses nothing of what it can keep", function()
    local expected = {}
    for i = 1, 5000 do
      expected[i] = ("record %d %s\n"):format(i, ("y"):rep(i % 150))
      write(expected[i])
      flush()
    end
    assert.is_true(flush())
    assert.equal(table.concat(expected), drain())
    assert.is_false(flush())
  end)

  it("drops the oldest whole records of more than 1 MB, and says how many", function()
    local records = 30000
    for i = 1, records do
      write(("%06d %s\n"):format(i, ("z"):rep(i % 200)))
      if i % 100 == 0 then
        flush()
      end
      assert.is_true(sink.kept.lines["end"] - sink.kept.lines.start <= KEPT_MOST)
    end
    local last, gaps = 0, 0
    for record in drain():gmatch "([^\n]*)\n" do
      local number, filling = record:match "^(%d%d%d%d%d%d) (z*)$"
      number = tonumber(number)
      assert.equal(number % 200, #filling)
      gaps = gaps + number - last - 1
      last = number
    end
    assert.equal(records, last)
    assert.is_true(gaps > 10000)
    assert.equal(gaps, lost())
    write "later\n"
    assert.equal("later\n", drain())
  end)

  it("ends a record that left in part before it drops those behind it", function()
    local long = ("a"):rep(200000) .. "\n"
    write(long)
    assert.is_true(flush())
    for _ = 1, 20000 do
      write(("b"):rep(99) .. "\n")
    end
    local text = drain()
    assert.equal(long, text:sub(1, #long))
    local rest, kept = text:sub(#long + 1):gsub(("b"):rep(99) .. "\n", "")
    assert.same({ "", 20000 }, { rest, kept + lost() })
  end)

  it("takes a record that is larger than all it may keep", function()
    write "small\n"
    local large = ("c"):rep(KEPT_MOST + 1) .. "\n"
    write(large)
    assert.equal("small\n" .. large, drain())
  end)

  it("is silent for ever once its reader is gone", function()
    write "one\n"
    unistd.close(reader)
    assert.is_false(flush())
    assert.is_true(sink.broken)
    assert.same({ 1, 1 }, { #told, select(2, told[1]:gsub("the log to email a@b.c fails: Broken pipe\n", "")) })
    for _ = 1, 3 do
      write "two\n"
      assert.is_false(flush())
    end
    assert.equal(1, #told)
    assert.equal(0, tonumber(sink.kept.lines.capacity))
  end)

  it("is silent when its reader goes while it waits", function()
    write(("x"):rep(300000) .. "\n")
    assert.is_true(flush())
    unistd.close(reader)
    assert.is_false(flush())
    assert.is_true(sink.broken)
  end)

  it("bears a descriptor that is none", function()
    unistd.close(writer)
    write "one\n"
    assert.is_false(flush())
    assert.is_true(sink.broken)
  end)

  it("has each of its faults told once, whatever numbers are in it", function()
    for _, why in ipairs { "no answer after 5004 ms", "no answer after 5 ms", "refused 1", "no answer after 71 ms" } do
      lib.sink_failed(sink.sink, why)
    end
    lib.sink_failed(sink.sink, "no answer after 5 s")
    assert.equal(3, #told)
  end)

  it("waits for room on a full disk", function()
    local full = assert(fcntl.open("/dev/full", fcntl.O_WRONLY))
    sink.fd = full
    write "one\n"
    assert.is_true(flush())
    sink.fd = writer
    write "two\n"
    assert.is_false(flush())
    assert.equal("one\ntwo\n", read())
    assert.matches("fails: No space left on device\n", told[1])
    assert.matches("works again; 0 records were lost failures=1", told[2])
    unistd.close(full)
  end)

  it("writes to a file whatever its size", function()
    local path = temp.dir() .. "/log"
    local file = assert(fcntl.open(path, bit.bor(fcntl.O_WRONLY, fcntl.O_CREAT), tonumber("600", 8)))
    sink.fd = file
    local record = ("d"):rep(500000) .. "\n"
    write(record)
    assert.is_false(flush())
    assert.equal(record, temp.read(path))
    unistd.close(file)
  end)
end)
