local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef "const char *suggest(const char *word, const char *const *candidates, size_t count);"

local function suggest(word, candidates)
  local found = lib.suggest(word, ffi.new("const char *[?]", #candidates + 1, candidates), #candidates)
  return found ~= nil and ffi.string(found) or nil
end

local KEYS = { "tubes", "executors", "shutdown_timeout", "name" }

describe("base/suggest", function()
  for word, expected in pairs {
    tubs = "tubes", -- a letter missing
    tubess = "tubes", -- one too many
    tubez = "tubes", -- another
    tubse = "tubes", -- neighbours swapped
    shutdown_timeuot = "shutdown_timeout",
    excutor = "executors",
    tubes = "tubes",
  } do
    it(word .. " → " .. expected, function()
      assert.equal(expected, suggest(word, KEYS))
    end)
  end

  it("finds nothing for a word that is far from all, too long, or among none", function()
    assert.is_nil(suggest("colour", KEYS))
    assert.is_nil(suggest(("t"):rep(65), KEYS))
    assert.is_nil(suggest("tubes", {}))
    assert.is_nil(suggest("tubes", { ("tubes"):rep(20) }))
  end)

  it("takes the nearest, the first of equals", function()
    assert.equal("port", suggest("prot", { "part", "port", "proto" }))
    assert.equal("ab", suggest("a", { "ab", "ac" }))
  end)

  it("bears words of its largest size", function()
    assert.equal(("t"):rep(64), suggest(("t"):rep(64), { ("u"):rep(64), ("t"):rep(64) }))
  end)
end)
