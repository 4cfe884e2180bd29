local handler = require "spec.jobs.handler"

describe("jobs/noop.lua", function()
  it("succeeds", function()
    assert.equal(0, select("#", handler.load "noop" {}))
  end)
end)
