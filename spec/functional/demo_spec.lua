-- The demo, as `make demo` runs it once everything is built.
local process = require "spec.support.process"

describe("scripts/demo", function()
  it("accounts for every job and leaves nothing behind", function()
    local code, output, errors = process.run({ "scripts/demo" }, { env = { BUILD = os.getenv "BUILD" or "build" },
      seconds = 120 })
    assert.equal(0, code, output .. errors)
    assert.matches("total +330 +320 +10\n", output)
  end)
end)
