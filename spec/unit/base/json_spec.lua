local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct error { char text[1024]; };
  struct json;
  struct json *json_parse(const char *bytes, size_t size, unsigned depth, struct error *error);
  void json_free(struct json *json);
  int json_kind(const struct json *value);
  const char *json_kind_name(const struct json *value);
  const struct json *json_member(const struct json *value, const char *key);
  size_t json_length(const struct json *value);
  const struct json *json_item(const struct json *array, size_t index);
  const char *json_as_text(const struct json *value, size_t *size);
  int64_t json_as_integer(const struct json *value, int64_t otherwise);
  bool json_as_boolean(const struct json *value, bool otherwise);
  void json_pretty(struct buffer *out, const struct json *value);
  void json_quote(struct buffer *out, const char *bytes, size_t size);
]]

-- The value; nil and the reason.
local function parse(text, depth)
  local problem = ffi.new "struct error"
  -- An exact copy on the heap: a sanitizer sees one byte read too far.
  local bytes = buffers.new(text)
  local value = lib.json_parse(bytes.memory, #text, depth or 64, problem)
  if value == nil then
    return nil, ffi.string(problem.text)
  end
  return ffi.gc(value, lib.json_free)
end

local function quote(text)
  local out = buffers.new()
  lib.json_quote(out, text, #text)
  return buffers.bytes(out)
end

describe("base/json", function()
  it("tells the kind of every value", function()
    for text, name in pairs {
      ["null"] = "null", ["true"] = "a boolean", ["12"] = "an integer", ["1.5"] = "a number with a fraction",
      ['""'] = "a string", ["[]"] = "a list", ["{}"] = "an object", [" {} \n"] = "an object",
    } do
      assert.equal(name, ffi.string(lib.json_kind_name((assert(parse(text))))))
    end
    assert.equal("null", ffi.string(lib.json_kind_name(nil)))
  end)

  for what, text in pairs {
    ["nothing"] = "", ["blanks"] = "  ", ["a duplicate key"] = '{"a":1,"a":2}', ["trailing bytes"] = "{} x",
    ["a trailing NUL"] = "{}\0", ["a NUL behind a number"] = "1\0", ["a NUL behind a word"] = "[true\0]",
    ["two values"] = "1 2", ["bad UTF-8"] = '"\xff"', ["an overlong form"] = '"\xc0\xaf"',
    ["a surrogate alone"] = [["\ud800"]], ["a raw control character"] = '"\n"', ["a trailing comma"] = "[1,]",
    ["single quotes"] = "{'a':1}", ["a comment"] = "{} // x", ["NaN"] = "NaN", ["a leading zero"] = "01",
    ["an open string"] = '"abc', ["an open list"] = "[1", ["a BOM"] = "\xef\xbb\xbf{}",
  } do
    it("refuses " .. what, function()
      local value, problem = parse(text)
      assert.is_nil(value)
      assert.matches("%S", problem)
    end)
  end

  it("refuses every cut of a text, and each as a whole is good", function()
    local text = [[{"a":[1,-2.5e3,true,null,"\u00e9\\"],"b":{}}]]
    for cut = 1, #text - 1 do
      assert.is_nil(parse(text:sub(1, cut)))
    end
    assert.truthy(parse(text))
  end)

  it("counts depth outside of strings, up to the limit and no further", function()
    assert.truthy(parse(("["):rep(64) .. ("]"):rep(64)))
    assert.truthy(parse('[["' .. ("["):rep(100) .. '\\"{{{' .. '"]]', 2))
    local value, problem = parse(("["):rep(65) .. ("]"):rep(65))
    assert.is_nil(value)
    assert.equal("nested deeper than 64 levels", problem)
    assert.is_nil(parse(("["):rep(1000000)))
    assert.is_nil(parse(('{"a":'):rep(1000000)))
  end)

  it("reads members, items and values", function()
    local value = parse [[{"text":"a\u0000b","list":[1,9007199254740993],"yes":true,"real":1.5}]]
    local size = ffi.new "size_t[1]"
    local text = lib.json_as_text(lib.json_member(value, "text"), size)
    assert.equal("a\0b", ffi.string(text, size[0]))
    local list = lib.json_member(value, "list")
    assert.equal(2, tonumber(lib.json_length(list)))
    assert.equal(9007199254740993LL, lib.json_as_integer(lib.json_item(list, 1), 0))
    assert.is_true(lib.json_item(list, 2) == nil)
    assert.is_true(lib.json_as_boolean(lib.json_member(value, "yes"), false))
    assert.equal(4, tonumber(lib.json_length(value)))
    assert.is_true(lib.json_member(value, "none") == nil)
  end)

  it("answers for values that are missing or of another kind", function()
    for _, value in ipairs { ffi.cast("struct json *", nil), parse "1.5" } do
      assert.is_true(lib.json_member(value, "a") == nil)
      assert.is_true(lib.json_item(value, 0) == nil)
      assert.is_true(lib.json_as_text(value, nil) == nil)
      assert.equal(0, tonumber(lib.json_length(value)))
      assert.equal(-7LL, lib.json_as_integer(value, -7))
      assert.is_true(lib.json_as_boolean(value, true))
    end
  end)

  it("shows values indented, members in their order", function()
    local out = buffers.new()
    lib.json_pretty(out, parse '{"b":1,"a":["é",{}]}')
    assert.equal('{\n  "b": 1,\n  "a": [\n    "é",\n    {}\n  ]\n}', buffers.bytes(out))
  end)

  it("quotes any bytes so that they read back", function()
    assert.equal([["\"\\\n\u0000\u007f/é"]], quote '"\\\n\0\x7f/é')
    assert.equal('"a\239\191\189b\239\191\189"', quote "a\xffb\xc3")
    assert.equal([["\u0085\u009b\u2028\u202e\ufeff"]], quote "\xc2\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf")
    local all = {}
    for byte = 0, 127 do
      all[byte + 1] = string.char(byte)
    end
    all = table.concat(all) .. "\xc2\x80\xf4\x8f\xbf\xbf"
    local size = ffi.new "size_t[1]"
    local value = parse(quote(all))
    assert.equal(all, ffi.string(lib.json_as_text(value, size), size[0]))
  end)
end)
