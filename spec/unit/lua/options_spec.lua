package.path = "runtime/lua/?.lua;" .. package.path
local options = require "lunastalk.options"

local UNSET = 2 ^ 32 - 1

local function read(given)
  return options.read("jobs/x.lua", given)
end

describe("lunastalk.options", function()
  it("are unset unless given", function()
    for _, given in ipairs { {}, { process = print }, { process = print, retry = {} } } do
      assert.same({ timeout = 0, max = UNSET, delay = UNSET }, read(given))
    end
  end)

  it("read the time limit in seconds, as milliseconds", function()
    for given, ms in pairs { [30] = 30000, [0.25] = 250, [0.001] = 1, [2147483.648] = 2147483648 } do
      assert.equal(ms, read({ timeout = given }).timeout)
    end
  end)

  it("read retries, each of the two alone too", function()
    assert.same({ timeout = 0, max = 5, delay = 10 }, read { retry = { max = 5, delay = 10 } })
    assert.same({ timeout = 0, max = 0, delay = UNSET }, read { retry = { max = 0 } })
    assert.same({ timeout = 0, max = UNSET, delay = 0 }, read { retry = { delay = 0 } })
    assert.same({ timeout = 0, max = 1000, delay = 86400 }, read { retry = { max = 1000, delay = 86400 } })
  end)

  it("leave the handler's own functions alone", function()
    assert.equal(0, read({ process = print, helper = print, [1] = print }).timeout)
  end)

  local timeout = "jobs/x.lua: timeout must be a number from 0.001 to 2147483.648, not "
  local max = "jobs/x.lua: retry.max must be a whole number from 0 to 1000, not "
  local delay = "jobs/x.lua: retry.delay must be a whole number from 0 to 86400, not "
  for _, case in ipairs {
    { { timeout = 0 }, timeout .. "0" },
    { { timeout = 0.0005 }, timeout .. "0.0005" },
    { { timeout = -1 }, timeout .. "-1" },
    { { timeout = 2147484 }, timeout .. "2147484" },
    { { timeout = 0 / 0 }, timeout },
    { { timeout = math.huge }, timeout .. "inf" },
    { { timeout = "30" }, timeout .. "30" },
    { { timeout = false }, timeout .. "false" },
    { { timeout = {} }, timeout .. "{}" },
    { { retry = 5 }, "jobs/x.lua: retry must be a table { max = …, delay = … }, not 5" },
    { { retry = false }, "jobs/x.lua: retry must be a table { max = …, delay = … }, not false" },
    { { retry = { max = -1 } }, max .. "-1" },
    { { retry = { max = 1001 } }, max .. "1001" },
    { { retry = { max = 1.5 } }, max .. "1.5" },
    { { retry = { max = 0 / 0 } }, max },
    { { retry = { max = "5" } }, max .. "5" },
    { { retry = { max = false } }, max .. "false" },
    { { retry = { delay = -1 } }, delay .. "-1" },
    { { retry = { delay = 86401 } }, delay .. "86401" },
    { { retry = { delay = 0.5 } }, delay .. "0.5" },
    { { retry = { delay = 1e300 } }, delay .. "1e+300" },
    { { timout = 30 }, "jobs/x.lua: there is no option timout: there are timeout and retry" },
    { { 30 }, "jobs/x.lua: there is no option 1: there are timeout and retry" },
    { { retry = { tries = 5 } }, "jobs/x.lua: there is no option retry.tries: there are retry.max and retry.delay" },
    { { retry = { 5 } }, "jobs/x.lua: there is no option retry.1: there are retry.max and retry.delay" },
    { { retry = { max = 5, again = print } },
      "jobs/x.lua: there is no option retry.again: there are retry.max and retry.delay" },
  } do
    it("are refused: " .. case[2], function()
      local fine, why = pcall(read, case[1])
      assert.is_false(fine)
      assert.equal(case[2], why:sub(1, #case[2]))
    end)
  end
end)
