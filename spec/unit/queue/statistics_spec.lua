local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  void statistics_object(struct buffer *out, const struct buffer *yaml, const char *const *own);
  void statistics_list(struct buffer *out, const struct buffer *yaml);
]]

local function object(yaml, ...)
  local own, out = ffi.new "const char *[3]", buffers.new()
  for i = 1, select("#", ...) do
    own[i - 1] = select(i, ...)
  end
  lib.statistics_object(out, buffers.new(yaml), own)
  return buffers.bytes(out)
end

describe("statistics_object", function()
  it("writes numbers as numbers and names as strings", function()
    assert.equal(
      '{"id":"17","tube":"123","version":"1.12","draining":false,"rusage_utime":0.010559,"cmd_put":3}',
      object '---\nid: 17\ntube: 123\nversion: "1.12"\ndraining: false\nrusage-utime: 0.010559\ncmd-put: 3\n')
  end)

  it("does not count the connection that asks", function()
    assert.equal('{"name":"default","current_watching":1,"current_using":0,"current_waiting":2}', object(
      "---\nname: default\ncurrent-watching: 2\ncurrent-using: 0\ncurrent-waiting: 2\n",
      "current-watching", "current-using"))
  end)

  it("is JSON whatever the server sends", function()
    for yaml, json in pairs {
      [""] = "{}",
      ["---\n"] = "{}",
      ["a: 007\n"] = '{"a":"007"}',
      ["a: 1.\n"] = '{"a":"1."}',
      ["a: .5\n"] = '{"a":".5"}',
      ["a: 1e9\n"] = '{"a":"1e9"}',
      ["a: 12345678901234567890\n"] = '{"a":"12345678901234567890"}',
      ["a: \n"] = '{"a":""}',
      ["a: true\nname: true\n"] = '{"a":true,"name":"true"}',
      ['a: x"\\\27\n'] = '{"a":"x\\"\\\\\\u001b"}',
      ["a: \255\n"] = '{"a":"\239\191\189"}',
      ["A: 1\n b: 2\nc:3\n: 4\nd"] = "{}",
      [("k"):rep(64) .. ": 1\n"] = "{}",
      ["a: 5"] = '{"a":5}',
    } do
      assert.equal(json, object(yaml), yaml)
    end
  end)
end)

describe("statistics_list", function()
  it("writes a list of strings", function()
    local out = buffers.new()
    lib.statistics_list(out, buffers.new '---\n- default\n- "a"\n- 12\n')
    assert.equal('["default","a","12"]', buffers.bytes(out))
  end)
end)
