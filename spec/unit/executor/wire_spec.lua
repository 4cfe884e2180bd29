local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct wire_writer { struct buffer *out; size_t at; };
  struct wire_writer wire_begin(struct buffer *out, int type);
  void wire_put_u8(struct wire_writer *writer, uint8_t value);
  void wire_put_u32(struct wire_writer *writer, uint32_t value);
  void wire_put_u64(struct wire_writer *writer, uint64_t value);
  void wire_put_bytes(struct wire_writer *writer, const void *bytes, size_t size);
  void wire_put_text(struct wire_writer *writer, const char *text);
  void wire_end(struct wire_writer *writer);
  struct wire_frame { uint8_t type; const uint8_t *payload; size_t size, at; bool broken; size_t whole; };
  int wire_next(struct wire_frame *frame, const void *bytes, size_t size);
  uint8_t wire_get_u8(struct wire_frame *frame);
  uint32_t wire_get_u32(struct wire_frame *frame);
  uint64_t wire_get_u64(struct wire_frame *frame);
  const char *wire_get_bytes(struct wire_frame *frame, size_t *size);
  bool wire_complete(const struct wire_frame *frame);
]]

local u8, u32, u64, bytes = "u8", "u32", "u64", "bytes"

-- The table of wire.h, with values at the borders of each type.
local FRAMES = {
  { "CONFIG", 1, { u32, 4 }, { u8, 0 }, { u64, 512 * 2 ^ 20 }, { bytes, "/srv/jobs" }, { bytes, "{}" }, { bytes, "" } },
  { "JOB", 2, { u64, 2 ^ 53 }, { u32, 126 }, { u64, 2 ^ 53 - 1 }, { bytes, "127.0.0.1:11300" },
    { bytes, "18446744073709551615" }, { bytes, "send_email" }, { bytes, "" }, { bytes, '{"job":"\0"}' } },
  { "REPLY to PUT", 3, { u32, 0xffffffff }, { u8, 1 }, { bytes, "42" } },
  { "REPLY to STATS", 3, { u32, 1 }, { u8, 1 }, { bytes, "default" }, { u32, 3 } },
  { "REPLY to OUTPUT", 3, { u32, 2 }, { u8, 1 } },
  { "REPLY to ONCE", 3, { u32, 4 }, { u8, 1 }, { u8, 0 } },
  { "REPLY of a failure", 3, { u32, 3 }, { u8, 0 }, { bytes, "draining" }, { bytes, "DRAINING" } },
  { "STOP", 4 },
  { "RING", 5 },
  { "HELLO", 16, { u32, 4 } },
  { "HANDLER", 17, { bytes, "email.welcome" }, { u32, 0 }, { u32, 1000 }, { u32, 0xffffffff } },
  { "READY", 18 },
  { "REFUSED", 19, { bytes, "jobs/x.lua:3: unexpected symbol" } },
  { "BELL", 20 },
  { "OUTCOME", 21, { u64, 7 }, { u8, 1 }, { u32, 60 }, { bytes, "boom" }, { bytes, ("trace\n"):rep(2000) } },
  { "LOG", 22, { u64, 0 }, { u8, 7 }, { bytes, "" }, { bytes, "hello {who}" }, { u32, 2 },
    { bytes, "who" }, { u8, 0 }, { bytes, "\xff\0" }, { bytes, "n" }, { u8, 1 }, { bytes, "1.5" } },
  { "PUT", 23, { u32, 9 }, { u64, 0 }, { bytes, "default" }, { u32, 1024 }, { u32, 0 }, { u32, 60 }, { bytes, "{}" } },
  { "STATS", 24, { u32, 9 }, { u64, 1 } },
  { "OUTPUT", 25, { u32, 9 }, { u64, 255 } },
  { "TOUCH", 26, { u64, 2 ^ 53 } },
  { "PROGRESS", 27, { u64, 1 }, { bytes, '{"done":0.5}' } },
  { "ONCE", 28, { u32, 9 }, { u64, 255 }, { bytes, ("k"):rep(200) }, { u32, 86400 } },
  { "IDLE", 29, { u32, 60000 }, { u8, 1 } },
}

local function encode(out, frame)
  local writer = lib.wire_begin(out, frame[2])
  for i = 3, #frame do
    local kind, value = unpack(frame[i])
    if kind == bytes then
      lib.wire_put_bytes(writer, value, #value)
    else
      lib["wire_put_" .. kind](writer, value)
    end
  end
  lib.wire_end(writer)
end

local function encoded(frame)
  local out = buffers.new()
  encode(out, frame)
  return buffers.bytes(out)
end

local function read_field(frame, kind)
  if kind == bytes then
    local size = ffi.new "size_t[1]"
    local start = lib.wire_get_bytes(frame, size)
    return ffi.string(start, size[0])
  end
  return tonumber(lib["wire_get_" .. kind](frame))
end

local function assert_fields(frame, expected)
  assert.equal(expected[2], frame.type)
  for i = 3, #expected do
    local kind, value = unpack(expected[i])
    assert.equal(value, read_field(frame, kind))
  end
  assert.is_true(lib.wire_complete(frame))
end

-- The frame at the front of exactly these bytes (a copy on the heap, so that a sanitizer sees any byte read too far).
local function next_of(text)
  local buffer = ffi.gc(ffi.C.malloc(math.max(#text, 1)), ffi.C.free)
  ffi.copy(buffer, text, #text)
  local frame = ffi.new "struct wire_frame"
  return lib.wire_next(frame, buffer, #text), frame, buffer
end

cdef "void *malloc(size_t size); void free(void *memory);"

describe("executor/wire", function()
  for _, expected in ipairs(FRAMES) do
    it(expected[1] .. " reads back, and is not seen before its last byte", function()
      local text = encoded(expected)
      for cut = 0, #text - 1 do
        assert.equal(0, (next_of(text:sub(1, cut))))
      end
      local found, frame, memory = next_of(text)
      assert.equal(1, found)
      assert.equal(#text, tonumber(frame.whole))
      assert_fields(frame, expected)
      assert.is_truthy(memory)
    end)

    it(expected[1] .. " with a byte more or less in its payload is not complete", function()
      local text = encoded(expected)
      local payload = #text - 5
      for cut = 0, payload + 1 do
        if cut ~= payload then
          local size = string.char(cut % 256, math.floor(cut / 256), 0, 0)
          local found, frame, memory = next_of(size .. text:sub(5, 5) .. (text:sub(6) .. "\0"):sub(1, cut))
          assert.equal(1, found)
          for i = 3, #expected do
            read_field(frame, expected[i][1])
          end
          assert.is_false(lib.wire_complete(frame))
          assert.is_truthy(memory)
        end
      end
    end)
  end

  it("reads a stream of all frames fed in two parts, split at every offset", function()
    local stream = buffers.new()
    for _, frame in ipairs(FRAMES) do
      if frame[1] ~= "OUTCOME" then -- long: every offset of the short ones is enough
        encode(stream, frame)
      end
    end
    local text = buffers.bytes(stream)
    for cut = 0, #text do
      local input, frame, seen = buffers.new(), ffi.new "struct wire_frame", {}
      for _, part in ipairs { text:sub(1, cut), text:sub(cut + 1) } do
        lib.buffer_append(input, part, #part)
        while lib.wire_next(frame, input.memory + input.start, input["end"] - input.start) == 1 do
          table.insert(seen, frame.type)
          lib.buffer_consume(input, frame.whole)
        end
      end
      assert.equal("", buffers.bytes(input))
      assert.equal(#FRAMES - 1, #seen)
    end
  end)

  it("lays bytes out as wire.h says", function()
    assert.equal("\4\0\0\0\16\4\0\0\0", encoded(FRAMES[10]))
    assert.equal("\29\0\0\0\17\13\0\0\0email.welcome\0\0\0\0\232\3\0\0\255\255\255\255", encoded(FRAMES[11]))
    local out = buffers.new()
    encode(out, { "", 9, { u64, 0x0102030405060708ULL } })
    assert.equal("\8\0\0\0\9\8\7\6\5\4\3\2\1", buffers.bytes(out))
  end)

  it("appends behind what a half-consumed buffer holds", function()
    local out = buffers.new "12345"
    lib.buffer_consume(out, 3)
    encode(out, FRAMES[15])
    assert.equal("45" .. encoded(FRAMES[15]), buffers.bytes(out))
  end)

  it("puts a text as its bytes", function()
    local out = buffers.new()
    local writer = lib.wire_begin(out, 17)
    lib.wire_put_text(writer, "noop")
    lib.wire_end(writer)
    assert.equal(encoded { "", 17, { bytes, "noop" } }, buffers.bytes(out))
  end)

  it("refuses a size over 64 MB at once, and waits for one of exactly that", function()
    assert.equal(-1, (next_of "\1\0\0\4\2"))
    assert.equal(-1, (next_of "\255\255\255\255\2"))
    assert.equal(0, (next_of "\0\0\0\4\2"))
  end)

  it("stays broken: fields behind the one that ran over the end are 0 or empty", function()
    local found, frame, memory = next_of "\8\0\0\0\1\255\255\255\255abcd"
    assert.equal(1, found)
    assert.equal("", read_field(frame, bytes))
    assert.equal(0, read_field(frame, u8))
    assert.equal(0, read_field(frame, u32))
    assert.equal(0, read_field(frame, u64))
    assert.is_false(lib.wire_complete(frame))
    assert.is_truthy(memory)
  end)

  it("takes any payload of noise without reading past it", function()
    math.randomseed(1)
    for _ = 1, 2000 do
      local noise = {}
      for i = 1, math.random(0, 40) do
        noise[i] = string.char(math.random(0, 1) == 0 and 0 or math.random(0, 255))
      end
      noise = table.concat(noise)
      local _, frame, memory = next_of(string.char(#noise) .. "\0\0\0\1" .. noise)
      for _ = 1, 10 do
        read_field(frame, ({ u8, u32, u64, bytes })[math.random(4)])
      end
      assert.is_true(frame.at <= frame.size)
      assert.is_truthy(memory)
    end
  end)
end)
