-- lunastalk test spec/jobs/HANDLER_FILE_spec.lua

local testing = require "lunastalk.testing"

describe("HANDLER", function()
  it("greets who is named", function()
    testing.perform("HANDLER", { name = "Ada" })
    assert.succeeded()
    assert.logged("info", "hello, Ada")
  end)

  it("buries a job that names nobody", function()
    testing.perform("HANDLER", {})
    assert.buried "data.name is no text"
  end)
end)
