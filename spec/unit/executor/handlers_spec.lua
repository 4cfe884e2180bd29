local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "executor/handlers.h"

-- Those of the names, with numbers that tell them apart: the place of each in the list.
local function made(names)
  local handlers = ffi.gc(ffi.new "struct handlers", lib.handlers_free)
  for i, name in ipairs(names) do
    local text = name .. " and more" -- only so many bytes are the name
    lib.handlers_add(handlers, text, #name, ffi.new("struct handler", nil, i, 10 * i, 100 * i))
  end
  lib.handlers_sort(handlers)
  return handlers
end

local function suggested(handlers, name)
  local closest = lib.handlers_suggest(handlers, name)
  return closest ~= nil and ffi.string(closest) or nil
end

describe("executor/handlers", function()
  it("finds each with what its file says", function()
    local names = { "send_email", "b", "email.welcome", "a", "email", ("x"):rep(128) }
    local handlers = made(names)
    assert.equal(#names, tonumber(handlers.count))
    for i, name in ipairs(names) do
      local found = lib.handlers_find(handlers, name)
      assert.equal(name, ffi.string(found.name))
      assert.same({ i, 10 * i, 100 * i }, { found.timeout_ms, found.retry_max, found.retry_delay_s })
    end
  end)

  it("finds no other", function()
    local handlers = made { "a", "email", "send_email" }
    for _, name in ipairs { "", "b", "emai", "email.", "email.welcome", "send_email2", "A" } do
      assert.is_true(lib.handlers_find(handlers, name) == nil)
    end
  end)

  it("is sorted by name", function()
    local handlers, names = made { "b", "a.b", "a", "ab", "0" }, {}
    for i = 0, tonumber(handlers.count) - 1 do
      names[i + 1] = ffi.string(handlers.list[i].name)
    end
    assert.same({ "0", "a", "a.b", "ab", "b" }, names)
  end)

  it("suggests what was meant, if anything was", function()
    local handlers = made { "send_email", "process_image" }
    assert.equal("send_email", suggested(handlers, "send_emial"))
    assert.equal("process_image", suggested(handlers, "proces_image"))
    assert.is_nil(suggested(handlers, "refund"))
  end)

  it("names as many as there is room for", function()
    local text = ffi.new "char[64]"
    local function written(names, room)
      lib.handlers_write_names(made(names), text, room)
      return ffi.string(text)
    end
    assert.equal("none", written({}, 64))
    assert.equal("a", written({ "a" }, 64))
    assert.equal("a, b.c", written({ "b.c", "a" }, 64))
    local many = {}
    for i = 1, 100 do
      many[i] = ("name%03d"):format(i)
    end
    assert.equal("name001, name002, name003 and 97 more", written(many, 64))
    for room = 40, 64 do
      assert.is_true(#written(many, room) < room)
      assert.matches(" and %d+ more$", ffi.string(text))
    end
  end)

  it("may be empty, also after it was freed", function()
    local handlers = made {}
    for _ = 1, 2 do
      assert.is_true(lib.handlers_find(handlers, "a") == nil)
      assert.is_nil(suggested(handlers, "a"))
      lib.handlers_free(handlers)
    end
    handlers = made { "a" }
    lib.handlers_free(handlers)
    assert.is_true(lib.handlers_find(handlers, "a") == nil)
  end)
end)
