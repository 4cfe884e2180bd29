local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef "void trouble_code(const char *error, char *code);"

local function code(message)
  local out = ffi.new "char[32]"
  lib.trouble_code(message, out)
  return ffi.string(out)
end

describe("redis/trouble finds the code of", function()
  for message, expected in pairs {
    ["OOM command not allowed when used memory > 'maxmemory'."] = "OOM",
    ["NOAUTH Authentication required."] = "NOAUTH",
    ["LOADING"] = "LOADING",
    [""] = "",
    -- a script's, in Redis 7, in 5 and 6
    ["OOM command not allowed when used memory > 'maxmemory'. script: 5e, on @user_script:1."] = "OOM",
    ["ERR Error running script (call to f_5e): @user_script:1: @user_script: 1: -OOM command not allowed"] = "OOM",
    ["ERR Error running script (call to f_5e): @user_script:1: -READONLY You can't write"] = "READONLY",
    ["ERR Error running script (call to f_5e): @user_script:1: attempt to index a nil value"] = "ERR",
    ["ERR wrong number of arguments: -OOM"] = "ERR",
    [("X"):rep(100)] = ("X"):rep(31),
  } do
    it(("%q"):format(message:sub(1, 100)), function()
      assert.equal(expected, code(message))
    end)
  end
end)
