local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct table { size_t columns; struct buffer cells; size_t count; };
  void table_add(struct table *table, const char *bytes, size_t size);
  void table_finish(struct table *table, struct buffer *out);
]]

local function print_table(columns, cells)
  local out, made = buffers.new "", ffi.new "struct table"
  made.columns = columns
  for _, cell in ipairs(cells) do
    lib.table_add(made, cell, #cell)
  end
  lib.table_finish(made, out)
  return buffers.bytes(out)
end

describe("command/table", function()
  it("is as wide as its cells, counted in characters", function()
    assert.equal("a     b\nlong  \nü     x\n", print_table(2, { "a", "b", "long", "", "ü", "x" }))
  end)

  it("cuts long cells between characters", function()
    assert.equal(("x"):rep(60) .. "\n" .. ("x"):rep(60) .. "…\n", print_table(1, { ("x"):rep(60), ("x"):rep(61) }))
    assert.equal(("x"):rep(59) .. "…\n", print_table(1, { ("x"):rep(59) .. "ü" }))
    assert.equal(("ü"):rep(30) .. "…\n", print_table(1, { ("ü"):rep(1000) }))
  end)

  it("shows bytes of others on one line", function()
    assert.equal("a\\nb\\u001b\\u0000\\xff\n", print_table(1, { "a\nb\27\0\255" }))
    assert.equal("\n", print_table(1, { "" }))
  end)
end)
