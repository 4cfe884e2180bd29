-- The least that a spec can be: perform a job, and say how it ends.
local testing = require "lunastalk.testing"

describe("jobs/noop.lua", function()
  it("succeeds, and does nothing", function()
    local result = testing.perform("noop", { anything = true })
    assert.succeeded()
    assert.same({}, result.puts)
    assert.same({}, result.logs)
  end)
end)
