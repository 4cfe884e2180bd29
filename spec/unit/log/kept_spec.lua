local buffers = require "spec.support.buffer"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "log/kept.h"

local MOST = 1024 * 1024

describe("log/kept", function()
  local kept

  local function add(line)
    lib.kept_add(kept, line, #line)
  end

  local function text()
    return buffers.bytes(kept.lines)
  end

  local function dropped()
    return tonumber(lib.kept_take_dropped(kept))
  end

  -- A record of exactly `size` bytes that begins with `name`.
  local function record(name, size)
    return name .. (" "):rep(size - #name - 1) .. "\n"
  end

  local function fill(count)
    for i = 1, count do
      add(record(("%04d"):format(i), 1024))
    end
  end

  before_each(function()
    kept = ffi.gc(ffi.new "struct kept", function(this) lib.buffer_free(this.lines) end)
  end)

  it("keeps as much as the sink says, 1 MB unless it does", function()
    fill(1030)
    assert.equal(6, dropped())
    kept.most = 3 * 1024 * 1024
    fill(2050)
    assert.same({ 3072 * 1024, 2 }, { #text(), dropped() })
  end)

  it("keeps records in their order", function()
    add "one\n"
    add "two\n"
    assert.same({ "one\ntwo\n", 0 }, { text(), dropped() })
  end)

  it("keeps 1 MB, and drops none for it", function()
    fill(1024)
    assert.same({ MOST, 0 }, { #text(), dropped() })
    assert.equal("0001", text():sub(1, 4))
  end)

  it("drops the oldest, whole, when there is more, and counts them until it is asked", function()
    fill(1024)
    add "x\n"
    assert.equal("0002", text():sub(1, 4))
    assert.equal("1024", text():sub(-1026, -1023))
    assert.equal("x\n", text():sub(-2))
    add(record("y", 3 * 1024))
    assert.equal("0005", text():sub(1, 4))
    assert.equal(4, dropped())
    assert.equal(0, dropped())
  end)

  it("drops all for a record that is larger than all it keeps", function()
    fill(3)
    add(record("large", MOST + 1))
    assert.same({ MOST + 1, 3 }, { #text(), dropped() })
    add "next\n"
    assert.same({ "next\n", 1 }, { text(), dropped() })
  end)

  it("does not drop what is being written", function()
    fill(1024)
    kept.begun = 2 * 1024
    add(record("new", 1024))
    assert.matches("^0001 +\n0002 +\n0004 ", text())
    assert.same({ MOST, 1, 2 * 1024 }, { #text(), dropped(), tonumber(kept.begun) })
  end)

  it("does not drop the rest of a record that left in part", function()
    fill(1024)
    lib.kept_consume(kept, 1000)
    assert.equal(24, tonumber(kept.begun))
    add(record("new", 2 * 1024))
    assert.matches("^ +\n0004 ", text())
    assert.equal(2, dropped())
    assert.equal(" \n", text():sub(23, 24))
  end)

  it("takes a record when all that it has is being written", function()
    add(record("all", MOST))
    kept.begun = MOST
    add "next\n"
    assert.same({ MOST + 5, 0 }, { #text(), dropped() })
  end)

  it("has nothing begun once whole records have left", function()
    add "one\n"
    add "two\n"
    lib.kept_consume(kept, 2)
    assert.equal(2, tonumber(kept.begun))
    lib.kept_consume(kept, 0)
    assert.equal(2, tonumber(kept.begun))
    lib.kept_consume(kept, 1)
    assert.equal(1, tonumber(kept.begun))
    lib.kept_consume(kept, 1)
    assert.same({ 0, "two\n" }, { tonumber(kept.begun), text() })
    lib.kept_consume(kept, 4)
    assert.same({ 0, "" }, { tonumber(kept.begun), text() })
  end)

  it("knows how many bytes whole records have", function()
    local function whole(most)
      return tonumber(lib.kept_whole(kept, most))
    end
    assert.equal(0, whole(10))
    add "one\n"
    add "three\n"
    add "x\n"
    local expected = { [1] = 4, [3] = 4, [4] = 4, [9] = 4, [10] = 10, [11] = 10, [12] = 12, [13] = 12, [MOST] = 12 }
    for most, size in pairs(expected) do
      assert.same({ most, size }, { most, whole(most) })
    end
  end)

  it("counts lines", function()
    for lines, count in pairs { [""] = 0, ["a"] = 0, ["a\n"] = 1, ["\n\n"] = 2, ["a\nb"] = 1, ["a\nb\n"] = 2 } do
      local exact = buffers.new(lines)
      assert.equal(count, tonumber(lib.kept_count(exact.memory, #lines)))
    end
  end)
end)
