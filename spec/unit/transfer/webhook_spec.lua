local buffers = require "spec.support.buffer"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "base/error.h"
header "transfer/webhook.h"

-- url, id, payload; or nil and why.
local function read(body)
  local webhook, why, bytes = ffi.new "struct webhook", ffi.new "struct error", buffers.new(body)
  local result = lib.webhook_read(webhook, bytes.memory, #body, why)
  local url, id, payload
  if result == 0 then
    url, id, payload = ffi.string(webhook.url), ffi.string(webhook.id), ffi.string(webhook.payload, webhook.size)
  end
  lib.webhook_free(webhook)
  return url, id or ffi.string(why.text), payload
end

describe("transfer/webhook", function()
  it("reads what it writes", function()
    local payload = '{"a":[1,2.5,"\\u0000\\""],"b":{},"c":null}'
    local webhook = lib.webhook_make("https://a/?q=\"x", "f00-7-done", payload, #payload)
    local out = buffers.new()
    lib.webhook_write(out, webhook)
    lib.webhook_free(webhook)
    assert.equal('{"url":"https://a/?q=\\"x","id":"f00-7-done","payload":' .. payload .. "}", buffers.bytes(out))
    assert.same({ 'https://a/?q="x', "f00-7-done", payload }, { read(buffers.bytes(out)) })
  end)

  local function body(url, id, payload)
    return ('{"url":%s,"id":%s,"payload":%s}'):format(url, id, payload)
  end

  for text, why in pairs {
    [""] = "not JSON",
    ["{"] = "not JSON",
    ["[]"] = '"url" is no http or https URL',
    ["{}"] = '"url" is no http or https URL',
    [body('"file:///x"', '"a"', "{}")] = '"url" is no http or https URL',
    [body('"HTTP://x"', '"a"', "{}")] = '"url" is no http or https URL',
    [body('"http://a b"', '"a"', "{}")] = '"url" is no http or https URL',
    [body('"http://a\\r\\nb"', '"a"', "{}")] = '"url" is no http or https URL',
    [body('"http://a\\u0000b"', '"a"', "{}")] = '"url" is no http or https URL',
    [body('"http://a\\u007fb"', '"a"', "{}")] = '"url" is no http or https URL',
    [body("7", '"a"', "{}")] = '"url" is no http or https URL',
    [body('"http://a"', '""', "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', '"a.b"', "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', '"a\\r\\nb: c"', "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', '"a\\u0000"', "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', '"' .. ("a"):rep(257) .. '"', "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', "1", "{}")] = '"id" is no string of 1 to 256',
    [body('"http://a"', '"a"', "[]")] = '"payload" is a list, not an object',
    [body('"http://a"', '"a"', "null")] = '"payload" is null, not an object',
    ['{"url":"http://a","id":"a"}'] = '"payload" is null, not an object',
  } do
    it("refuses " .. text:sub(1, 60), function()
      local url, problem = read(text)
      assert.is_nil(url)
      assert.equal(why, problem:sub(1, #why))
    end)
  end
end)
