--- struct buffer for specs: made here, freed when collected.
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct buffer { char *memory; size_t start, end, capacity; };
  char *buffer_reserve(struct buffer *buffer, size_t size);
  void buffer_commit(struct buffer *buffer, size_t size);
  void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
  void buffer_append_text(struct buffer *buffer, const char *text);
  void buffer_printf(struct buffer *buffer, const char *format, ...);
  const char *buffer_text(struct buffer *buffer);
  void buffer_consume(struct buffer *buffer, size_t size);
  void buffer_free(struct buffer *buffer);
  void *malloc(size_t size);
]]

local buffers = {}

--- An empty one, or one that holds `bytes` in memory of exactly that size: a sanitizer sees a byte read too far.
function buffers.new(bytes)
  local buffer = ffi.gc(ffi.new "struct buffer", lib.buffer_free)
  if bytes and #bytes > 0 then
    buffer.memory = ffi.cast("char *", ffi.C.malloc(#bytes))
    ffi.copy(buffer.memory, bytes, #bytes)
    buffer["end"], buffer.capacity = #bytes, #bytes
  end
  return buffer
end

--- All that it holds, as a Lua string.
function buffers.bytes(buffer)
  return ffi.string(buffer.memory + buffer.start, buffer["end"] - buffer.start)
end

return buffers
