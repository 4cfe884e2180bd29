local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"
local sinks = require "spec.support.sink"

cdef [[
  struct held;
  struct held *held_new(void);
  void held_free(struct held *held);
  void held_add(struct held *held, uint64_t job, const struct sink_record *record);
  void held_end(
    struct held *held, uint64_t job, void (*take)(void *context, const struct sink_record *record), void *context);
]]

describe("log/held", function()
  local held, given
  local take = ffi.cast("void (*)(void *, const struct sink_record *)", function(_, record)
    table.insert(given, {
      level = tonumber(record.level), time = tonumber(record.time_ms), channel = ffi.string(record.channel),
      message = ffi.string(record.message, record.size), line = ffi.string(record.line, record.line_size),
      filled = ffi.string(record.filled, record.filled_size),
    })
  end)

  local function add(job, line, message)
    lib.held_add(held, job, sinks.record(line, message))
  end

  -- Ends the job as failed; the records that come.
  local function fail(job)
    given = {}
    lib.held_end(held, job, take, nil)
    return given
  end

  local function lines(job)
    local list = {}
    for i, record in ipairs(fail(job)) do
      list[i] = record.line
    end
    return list
  end

  local function numbered(number, size)
    return ("%04d"):format(number) .. ("x"):rep((size or 5) - 5) .. "\n"
  end

  before_each(function()
    held = ffi.gc(lib.held_new(), lib.held_free)
  end)

  teardown(function()
    take:free()
  end)

  it("gives the records of a job in their order, and once", function()
    add(7, "one\n")
    add(8, "other\n")
    add(7, "two\n")
    assert.same({ "one\n", "two\n" }, lines(7))
    assert.same({}, lines(7))
    assert.same({ "other\n" }, lines(8))
  end)

  it("has copies of all that is in a record", function()
    local function memory(text)
      local copy = ffi.new("char[?]", #text + 1)
      ffi.copy(copy, text)
      return copy
    end
    local channel, message, line, filled = memory "mails", memory "to {a}", memory "to ann\n", memory "to ann"
    lib.held_add(held, 1, ffi.new("struct sink_record", {
      level = 5, time_ms = 1795491777123ULL, channel = channel, message = message, size = 6, line = line, line_size = 7,
      filled = filled, filled_size = 6,
    }))
    for _, used in ipairs { channel, message, line, filled } do
      ffi.fill(used, ffi.sizeof(used), 0x21)
    end
    assert.same({ {
      level = 5, time = 1795491777123, channel = "mails", message = "to {a}", line = "to ann\n", filled = "to ann",
    } }, fail(1))
  end)

  it("bears a record without a filled message, and NUL in texts", function()
    local record = sinks.record("a\0b\n", "c\0d")
    record.filled, record.filled_size = nil, 0
    lib.held_add(held, 1, record)
    local first = fail(1)[1]
    assert.same({ "a\0b\n", "c\0d", "" }, { first.line, first.message, first.filled })
  end)

  it("drops the records of a job that did not fail", function()
    add(1, "one\n")
    add(2, "two\n")
    lib.held_end(held, 1, nil, nil)
    assert.same({}, lines(1))
    assert.same({ "two\n" }, lines(2))
  end)

  it("knows nothing of a job that said nothing", function()
    add(1, "one\n")
    assert.same({}, lines(2))
    lib.held_end(held, 2, nil, nil)
    assert.same({ "one\n" }, lines(1))
  end)

  it("tells apart jobs whose ids differ beyond 32 bits", function()
    add(1, "one\n")
    add(0x100000001ULL, "two\n")
    assert.same({ "one\n" }, lines(1))
    assert.same({ "two\n" }, lines(0x100000001ULL))
  end)

  it("keeps the last 100 records of a job", function()
    for i = 1, 250 do
      add(1, numbered(i))
    end
    local kept = lines(1)
    assert.equal(100, #kept)
    for i, line in ipairs(kept) do
      assert.equal(numbered(150 + i), line)
    end
  end)

  it("keeps the last 64 KB of a job", function()
    for i = 1, 90 do
      add(1, numbered(i, 4096))
    end
    local kept = lines(1)
    assert.is_true(#kept >= 14 and #kept <= 16, #kept)
    for i, line in ipairs(kept) do
      assert.equal(numbered(90 - #kept + i, 4096), line)
    end
  end)

  it("keeps the last record of a job however large it is", function()
    add(1, "small\n")
    local large = numbered(1, 200000)
    add(1, large)
    assert.same({ large }, lines(1))
    add(1, large)
    add(1, "next\n")
    assert.same({ "next\n" }, lines(1))
  end)

  it("keeps 4 MB of all jobs: those go that have said nothing for longest", function()
    local function speak(job)
      for i = 1, 15 do
        add(job, numbered(i, 4000))
      end
    end
    for job = 1, 40 do
      speak(job)
    end
    add(1, "again\n")
    for job = 41, 100 do
      speak(job)
    end
    assert.equal(0, #lines(2))
    local left = 0
    for job = 3, 100 do
      local count = #fail(job)
      assert.is_true(count == 15 or (count == 0 and left == 0), job)
      left = left + count / 15
    end
    assert.is_true(left >= 64 and left <= 70, left)
  end)

  it("keeps what 512 jobs said, so that none is searched for long", function()
    for job = 1, 600 do
      add(job, "x\n")
    end
    assert.same({ {}, { "x\n" }, { "x\n" } }, { lines(88), lines(89), lines(600) })
  end)

  it("keeps a job that has spoken again longer than those that have not", function()
    for job = 1, 60 do
      add(job, numbered(job, 60000))
    end
    add(1, "again\n")
    for job = 61, 100 do
      add(job, numbered(job, 60000))
    end
    assert.equal(0, #fail(2))
    local kept = lines(1)
    assert.same({ 2, true, "again\n" }, { #kept, kept[1] == numbered(1, 60000), kept[2] })
  end)

  it("forgets all for a record that is larger than all it keeps, and goes on", function()
    add(1, "one\n")
    add(2, numbered(1, 5 * 1024 * 1024))
    assert.same({}, lines(2))
    add(3, "three\n")
    assert.same({ "three\n" }, lines(3))
  end)

  it("bears to be freed with records, and as nothing", function()
    add(1, "one\n")
    lib.held_free(ffi.gc(held, nil))
    lib.held_free(nil)
    held = nil
  end)
end)
