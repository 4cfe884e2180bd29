local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"
local stdlib = require "posix.stdlib"

cdef [[
  struct identity { char id[192]; char instance[33]; char host[65]; char pool[101]; };
  void identity_make(struct identity *identity, const char *name, unsigned number);
]]

local function make(name, number)
  local identity = ffi.new "struct identity"
  lib.identity_make(identity, name, number or 1)
  return ffi.string(identity.id), ffi.string(identity.instance)
end

describe("worker/identity", function()
  local host
  local group = os.getenv "SUPERVISOR_GROUP_NAME"

  setup(function()
    local pipe = io.popen "hostname"
    host = pipe:read("*l"):match "^[^.]*":sub(1, 64)
    pipe:close()
    stdlib.setenv("SUPERVISOR_GROUP_NAME", nil)
  end)

  teardown(function()
    stdlib.setenv("SUPERVISOR_GROUP_NAME", group)
  end)

  it("is host, name and number", function()
    assert.equal(host .. "_mail7", make("mail", 7))
    assert.equal(host .. "_mail0", make("mail", 0))
    assert.equal(host .. "_mail4294967295", make("mail", 0xffffffff))
  end)

  it("takes supervisord's group where no name is given, else \"worker\"", function()
    assert.equal(host .. "_worker1", make())
    stdlib.setenv("SUPERVISOR_GROUP_NAME", "")
    assert.equal(host .. "_worker1", make())
    stdlib.setenv("SUPERVISOR_GROUP_NAME", "bulk")
    assert.equal(host .. "_bulk1", make())
    assert.equal(host .. "_mail1", make "mail")
  end)

  it("keeps its size whatever the name", function()
    assert.equal(host .. "_" .. ("n"):rep(100) .. "4294967295", make(("n"):rep(1000), 0xffffffff))
  end)

  it("has another instance with each start: 32 hex digits", function()
    local seen = {}
    for _ = 1, 100 do
      local _, instance = make()
      assert.equal(32, #instance)
      assert.matches("^%x+$", instance)
      assert.is_nil(seen[instance])
      seen[instance] = true
    end
  end)
end)
