local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

cdef "struct error { char text[1024]; };"
header "job/envelope.h"

local function urls_of(list)
  local found = {}
  while list ~= nil and list[#found] ~= nil do
    table.insert(found, ffi.string(list[#found]))
  end
  return found
end

-- Name of the envelope, and the rest of it; nil and why it is none.
local function parse(body)
  local envelope, problem = ffi.new "struct envelope", ffi.new "struct error"
  local bytes = buffers.new(body) -- on the heap: a sanitizer sees one byte read too far
  if lib.envelope_parse(envelope, bytes.memory, #body, problem) < 0 then
    assert(envelope.success == nil and envelope.error == nil) -- nothing to free
    return nil, ffi.string(problem.text)
  end
  local rest = {
    bury = envelope.bury,
    retry_max = tonumber(envelope.retry_max),
    retry_delay = tonumber(envelope.retry_delay_s),
    timeout = envelope.timeout_s,
    success = urls_of(envelope.success),
    error = urls_of(envelope.error),
  }
  lib.envelope_free(envelope)
  lib.envelope_free(envelope) -- twice is no mistake
  return ffi.string(envelope.name), rest
end

local function nested(depth)
  return ('{"job":"a","data":%s%s}'):format(("["):rep(depth - 1), ("]"):rep(depth - 1))
end

local function urls(count)
  return "[" .. ('"http://a",'):rep(count - 1) .. '"http://a"]'
end

local LONGEST = ("a"):rep(128)

describe("an envelope", function()
  describe("is read:", function()
    for body, expected in pairs {
      ['{"job":"a"}'] = "a",
      [' {\n"job" : "a" }\r\n\t'] = "a",
      ['{"job":"\\u0061b"}'] = "ab",
      ['{"job":"' .. LONGEST .. '"}'] = LONGEST,
      -- whatever data is
      ['{"job":"a","data":null}'] = "a",
      ['{"job":"a","data":[]}'] = "a",
      ['{"job":"a","data":"x\\u0000y"}'] = "a",
      ['{"job":"a","data":1.5e300}'] = "a",
      ['{"job":"a","data":9223372036854775807}'] = "a",
      ['{"data":{"job":"b","id":7,"timeout":-1},"job":"a"}'] = "a",
      -- unknown keys, whatever they hold
      ['{"job":"a","x":{"job":5},"Job":1,"":0,"__index":[]}'] = "a",
      -- what the talk's Job class makes of nothing: PHP's empty arrays
      ['{"job":"a","data":[],"success":[],"error":[],"retry":[]}'] = "a",
      ['{"job":"a","success":{"callback":[]},"error":{"bury":true,"callback":[]}}'] = "a",
      ['{"job":"a","success":{"callback":""},"error":{"bury":true,"callback":""}}'] = "a",
      -- null is absent
      ['{"job":"a","success":null,"error":null,"retry":null,"id":null,"timeout":null}'] = "a",
      ['{"job":"a","success":{"callback":null},"error":{"callback":null,"bury":null}}'] = "a",
      ['{"job":"a","retry":{"max":null,"delay":null}}'] = "a",
      -- callbacks
      ['{"job":"a","success":{"callback":"https://é.example/?q={}#[1]"},"error":{"callback":["http://a"]}}'] = "a",
      ['{"job":"a","success":{"callback":' .. urls(10) .. "}}"] = "a",
      -- the borders of the extensions
      ['{"job":"a","retry":{"max":0,"delay":0},"timeout":1}'] = "a",
      ['{"job":"a","retry":{"max":1000,"delay":86400},"timeout":2147483647}'] = "a",
      ['{"job":"a","retry":{}}'] = "a",
      ['{"job":"a","id":"A"}'] = "a",
      ['{"job":"a","id":"azAZ09._:-"}'] = "a",
      ['{"job":"a","id":"' .. ("x"):rep(128) .. '"}'] = "a",
      [nested(64)] = "a",
    } do
      it(#body < 100 and body or body:sub(1, 97) .. "…", function()
        assert.equal(expected, parse(body))
      end)
    end

    it("error.bury, true unless it says otherwise", function()
      for body, bury in pairs {
        ['{"job":"a"}'] = true,
        ['{"job":"a","error":{}}'] = true,
        ['{"job":"a","error":[]}'] = true,
        ['{"job":"a","error":{"bury":null}}'] = true,
        ['{"job":"a","error":{"bury":true}}'] = true,
        ['{"job":"a","error":{"bury":false}}'] = false,
        ['{"job":"a","success":{"bury":false}}'] = true,
        ['{"job":"a","bury":false}'] = true,
      } do
        assert.equal(bury, select(2, assert(parse(body))).bury)
      end
    end)

    local nothing = { bury = true, retry_max = -1, retry_delay = -1, timeout = 0, success = {}, error = {} }
    for body, rest in pairs {
      ['{"job":"a"}'] = {},
      ['{"job":"a","retry":{"max":null},"timeout":null,"success":{"callback":null}}'] = {},
      ['{"job":"a","retry":[],"success":{"callback":""},"error":{"callback":[]}}'] = {},
      ['{"job":"a","retry":{"max":0}}'] = { retry_max = 0 },
      ['{"job":"a","retry":{"delay":0}}'] = { retry_delay = 0 },
      ['{"job":"a","retry":{"max":1000,"delay":86400},"timeout":2147483647}'] =
        { retry_max = 1000, retry_delay = 86400, timeout = 2147483647 },
      ['{"job":"a","success":{"callback":"http://é"}}'] = { success = { "http://é" } },
      ['{"job":"a","success":{"callback":["http://a"]},"error":{"bury":false,"callback":["https://b","http://a"]}}'] =
        { bury = false, success = { "http://a" }, error = { "https://b", "http://a" } },
      ['{"job":"a","error":{"callback":' .. urls(10) .. "}}"] =
        { error = { "http://a", "http://a", "http://a", "http://a", "http://a", "http://a", "http://a", "http://a",
          "http://a", "http://a" } },
    } do
      it("what " .. body:sub(1, 97) .. " says", function()
        for key, value in pairs(nothing) do
          rest[key] = rest[key] == nil and value or rest[key]
        end
        assert.same(rest, select(2, assert(parse(body))))
      end)
    end
  end)

  describe("is refused:", function()
    local name = '^"job" is no handler\'s name'
    local url, no_url = '^"success.callback" is no http or https URL$', '^"success.callback" has a space or control'
    local id = '^"id" is no string of 1 to 128'
    for body, why in pairs {
      [""] = "^the body is empty$",
      [" "] = "^not JSON: ",
      ["42"] = "^it is an integer, not an object$",
      ["[]"] = "^it is a list, not an object$",
      ["null"] = "^it is null, not an object$",
      ['"a"'] = "^it is a string, not an object$",
      ["{}"] = '^it has no "job"',
      ["a"] = "^not JSON: ",
      ["\0\255\1"] = "^not JSON: ",
      ["\239\187\191{\"job\":\"a\"}"] = "^not JSON: ",
      ['{"job":"a"}x'] = "^not JSON: ",
      ['{"job":"a"}\0'] = "^not JSON: ",
      ['{"job":"a"}{"job":"b"}'] = "^not JSON: ",
      ['{"job":"a",}'] = "^not JSON: ",
      ["{'job':'a'}"] = "^not JSON: ",
      ['{"job":"a","job":"b"}'] = "^not JSON: duplicate",
      ['{"job":"a","j\\u006fb":"a"}'] = "^not JSON: duplicate",
      ['{"job":"a","data":{"x":{"y":1,"y":1}}}'] = "^not JSON: duplicate",
      ['{"job":"a","data":"\255"}'] = "^not JSON: ",
      ['{"job":"a","data":"\192\175"}'] = "^not JSON: ",
      ['{"job":"a","data":"\237\160\128"}'] = "^not JSON: ",
      ['{"job":"a","data":"\\ud800"}'] = "^not JSON: ",
      ['{"job":"a","x\\u0000":1}'] = "^not JSON: ",
      ['{"job":"a","data":NaN}'] = "^not JSON: ",
      [nested(65)] = "^not JSON: nested deeper than 64 levels$",
      [("["):rep(1000000)] = "^not JSON: nested deeper than 64 levels$",
      [('{"job":'):rep(1000000)] = "^not JSON: nested deeper than 64 levels$",
      -- its name
      ['{"job":null}'] = '^"job" is null, not a handler\'s name$',
      ['{"job":7}'] = '^"job" is an integer',
      ['{"job":["a"]}'] = '^"job" is a list',
      ['{"job":{}}'] = '^"job" is an object',
      ['{"job":""}'] = name,
      ['{"job":"a\\u0000"}'] = name,
      ['{"job":"\\u0000a"}'] = name,
      ['{"job":"../../etc/passwd"}'] = name,
      ['{"job":"_bootstrap"}'] = name,
      ['{"job":"' .. LONGEST .. 'a"}'] = name,
      -- sections
      ['{"job":"a","success":"http://a"}'] = '^"success" is a string, not an object$',
      ['{"job":"a","success":[{}]}'] = '^"success" is a list, not an object$',
      ['{"job":"a","error":true}'] = '^"error" is a boolean, not an object$',
      ['{"job":"a","error":["bury"]}'] = '^"error" is a list, not an object$',
      ['{"job":"a","retry":5}'] = '^"retry" is an integer, not an object$',
      ['{"job":"a","error":{"bury":0}}'] = '^"error.bury" is an integer, not true or false$',
      ['{"job":"a","error":{"bury":"false"}}'] = '^"error.bury" is a string',
      ['{"job":"a","error":{"bury":[]}}'] = '^"error.bury" is a list',
      -- callbacks
      ['{"job":"a","success":{"callback":"example.com"}}'] = url,
      ['{"job":"a","success":{"callback":"file:///etc/passwd"}}'] = url,
      ['{"job":"a","success":{"callback":"https:/x"}}'] = url,
      ['{"job":"a","success":{"callback":" http://a"}}'] = url,
      ['{"job":"a","success":{"callback":"\\u0000http://a"}}'] = url,
      ['{"job":"a","success":{"callback":"http://a b"}}'] = no_url,
      ['{"job":"a","success":{"callback":"http://a\\r\\nX: y"}}'] = no_url,
      ['{"job":"a","success":{"callback":"http://a\\u0000.b"}}'] = no_url,
      ['{"job":"a","success":{"callback":"http://a\\u007f"}}'] = no_url,
      ['{"job":"a","success":{"callback":["http://a","ftp://a"]}}'] = url,
      ['{"job":"a","success":{"callback":[""]}}'] = url,
      ['{"job":"a","success":{"callback":[null]}}'] = '^"success.callback" holds null, not a URL$',
      ['{"job":"a","success":{"callback":7}}'] = '^"success.callback" holds an integer, not a URL$',
      ['{"job":"a","success":{"callback":{}}}'] = '^"success.callback" holds an object, not a URL$',
      ['{"job":"a","success":{"callback":[["http://a"]]}}'] = '^"success.callback" holds a list, not a URL$',
      ['{"job":"a","success":{"callback":' .. urls(11) .. "}}"] = '^"success.callback" lists more than 10 URLs$',
      ['{"job":"a","error":{"callback":"x"}}'] = '^"error.callback" is no http or https URL$',
      -- extensions
      ['{"job":"a","id":""}'] = id,
      ['{"job":"a","id":7}'] = id,
      ['{"job":"a","id":[]}'] = id,
      ['{"job":"a","id":"a b"}'] = id,
      ['{"job":"a","id":"a/b"}'] = id,
      ['{"job":"a","id":"é"}'] = id,
      ['{"job":"a","id":"a\\u0000"}'] = id,
      ['{"job":"a","id":"' .. ("x"):rep(129) .. '"}'] = id,
      ['{"job":"a","retry":{"max":-1}}'] = '^"retry.max" is no whole number from 0 to 1000$',
      ['{"job":"a","retry":{"max":1001}}'] = '^"retry.max"',
      ['{"job":"a","retry":{"max":1.5}}'] = '^"retry.max"',
      ['{"job":"a","retry":{"max":"5"}}'] = '^"retry.max"',
      ['{"job":"a","retry":{"max":true}}'] = '^"retry.max"',
      ['{"job":"a","retry":{"delay":-1}}'] = '^"retry.delay" is no whole number from 0 to 86400$',
      ['{"job":"a","retry":{"delay":86401}}'] = '^"retry.delay"',
      ['{"job":"a","retry":{"delay":[]}}'] = '^"retry.delay"',
      ['{"job":"a","timeout":0}'] = '^"timeout" is no whole number from 1 to 2147483647$',
      ['{"job":"a","timeout":2147483648}'] = '^"timeout"',
      ['{"job":"a","timeout":0.5}'] = '^"timeout"',
      ['{"job":"a","timeout":"30"}'] = '^"timeout"',
    } do
      it(#body < 100 and ("%q"):format(body) or body:sub(1, 97) .. "…", function()
        local found, problem = parse(body)
        assert.is_nil(found)
        assert.matches(why, problem)
      end)
    end

    it("every cut of a good one", function()
      local body = '{"job":"a.b","data":{"é":[1,"\\u00e9"]},"error":{"bury":false,"callback":["http://a"]},"id":"x"}'
      assert.equal("a.b", parse(body))
      for cut = 0, #body - 1 do
        assert.is_nil(parse(body:sub(1, cut)))
      end
    end)
  end)

  it("that is refused for something else still tells its name", function()
    local envelope, problem, body = ffi.new "struct envelope", ffi.new "struct error", '{"job":"mail","timeout":0}'
    assert.equal(-1, lib.envelope_parse(envelope, body, #body, problem))
    assert.equal("mail", ffi.string(envelope.name))
    assert.is_true(envelope.bury)
  end)

  it("of any bytes never crashes the reader", function()
    local pieces = { "{", "}", "[", "]", ":", ",", '"', '"job"', '"a"', '"data"', '"success"', '"callback"', '"error"',
      '"bury"', '"http://a"', '"retry"', '"max"', '"id"', "null", "true", "1", "-", "\0", "\255", "\\u0000", "é" }
    local seed = 5
    local function random(limit)
      seed = (seed * 16807) % 2147483647
      return seed % limit + 1
    end
    for _ = 1, 5000 do
      local parts = {}
      for i = 1, random(24) do
        parts[i] = pieces[random(#pieces)]
      end
      local name, problem = parse(table.concat(parts))
      assert.is_true(name ~= nil or #problem > 0)
    end
  end)
end)

describe("a handler's name", function()
  local function valid(name)
    local bytes = buffers.new(name)
    return lib.envelope_name_valid(bytes.memory, #name)
  end

  it("is segments of a-z 0-9 _ joined by dots", function()
    for _, name in ipairs { "a", "0", "send_email", "email.welcome", "a.b.c", "a_", "a__b.c_", "lib", "library.x",
      "liba", "a.lib", "a.lib.b", LONGEST, ("a."):rep(63) .. "ab" } do
      assert.is_true(valid(name), name)
    end
  end)

  it("is nothing else", function()
    for _, name in ipairs { "", ".", "..", "a.", ".a", "a..b", "../x", "a/b", "/a", "a b", "A", "é", "a-b", "a\0",
      "a\n", "a%", "_", "_x", "__index", "a._x", "a.b._c", "lib.", "lib.x", "lib.a.b",
      LONGEST .. "a", ("a."):rep(64) .. "a" } do
      assert.is_false(valid(name), name)
    end
    assert.is_false(lib.envelope_name_valid(nil, 0))
  end)

  it("has these bytes only", function()
    for byte = 0, 255 do
      local char = string.char(byte)
      assert.equal(char:find "^[a-z0-9_.]$" ~= nil, valid("a" .. char .. "b"), byte)
    end
  end)
end)
