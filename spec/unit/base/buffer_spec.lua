local buffers = require "spec.support.buffer"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

describe("base/buffer", function()
  local buffer

  before_each(function()
    buffer = buffers.new()
  end)

  it("begins empty, with an empty text", function()
    assert.equal("", buffers.bytes(buffer))
    assert.equal("", ffi.string(lib.buffer_text(buffer)))
  end)

  it("is a queue: appends at the end, consumes at the front", function()
    local expected = ""
    for i = 1, 2000 do
      local piece = ("%d,"):format(i):rep(i % 7)
      lib.buffer_append(buffer, piece, #piece)
      local eaten = math.min(#expected + #piece, i % 23)
      lib.buffer_consume(buffer, eaten)
      expected = (expected .. piece):sub(eaten + 1)
      assert.equal(expected, buffers.bytes(buffer))
    end
  end)

  it("keeps NULs, and takes nothing from NULL when there is nothing to take", function()
    lib.buffer_append(buffer, "a\0b", 3)
    lib.buffer_append(buffer, nil, 0)
    assert.equal("a\0b", buffers.bytes(buffer))
  end)

  it("does not count the NUL of its text", function()
    lib.buffer_append_text(buffer, "text")
    assert.equal("text", ffi.string(lib.buffer_text(buffer)))
    lib.buffer_append_text(buffer, "!")
    assert.equal("text!", buffers.bytes(buffer))
  end)

  it("commits what was written into the room it reserved", function()
    ffi.copy(lib.buffer_reserve(buffer, 100000), ("x"):rep(100000), 100000)
    lib.buffer_commit(buffer, 99999)
    assert.equal(("x"):rep(99999), buffers.bytes(buffer))
  end)

  it("prints text of any length", function()
    for _, length in ipairs { 0, 1, 63, 64, 65, 511, 512, 513, 100000 } do
      local one = buffers.new()
      lib.buffer_append_text(one, "<")
      lib.buffer_printf(one, "%s-%d", ("y"):rep(length), ffi.cast("int", -5))
      assert.equal("<" .. ("y"):rep(length) .. "--5", buffers.bytes(one))
    end
  end)

  it("gives big memory back when emptied, and keeps small memory", function()
    lib.buffer_append_text(buffer, ("z"):rep(300 * 1024))
    lib.buffer_consume(buffer, 300 * 1024)
    assert.equal(0, tonumber(buffer.capacity))
    lib.buffer_append_text(buffer, "z")
    lib.buffer_consume(buffer, 1)
    assert.is_true(buffer.capacity > 0)
  end)

  it("moves what it holds rarely, however little is consumed and appended at a time", function()
    local held, moves = 100000, 0
    lib.buffer_append_text(buffer, ("x"):rep(held))
    for _ = 1, 10000 do
      lib.buffer_consume(buffer, 100)
      local before = buffer.start
      lib.buffer_append_text(buffer, ("y"):rep(100))
      moves = moves + (buffer.start < before and 1 or 0)
    end
    assert.is_true(moves <= 10000 * 100 / held, moves .. " moves")
    assert.is_true(buffer.capacity <= 4 * held)
    assert.equal(("y"):rep(held), buffers.bytes(buffer))
  end)
end)
