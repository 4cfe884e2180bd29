--- scripts/test counts what happened, whatever happens: in a small project of its own.
local process = require "spec.support.process"
local temp = require "spec.support.temp"

local GOOD = 'it("a", function() end)\n'

-- Exit code and output of `scripts/test ARGUMENTS` in a project with these files.
local function test(files, ...)
  local dir = temp.dir()
  temp.write(dir .. "/scripts/test", temp.read "scripts/test")
  temp.write(dir .. "/scripts/lint-a", "#!/bin/sh\n")
  temp.write(dir .. "/Makefile", "all $(BUILD)/liblunastalk-spec.so:\n\t@mkdir -p $(BUILD)\n")
  for path, text in pairs(files) do
    temp.write(dir .. "/" .. path, text)
  end
  assert(os.execute("chmod +x " .. dir .. "/scripts/*"))
  return process.run({ dir .. "/scripts/test", ... }, { env = { BUILD = false } })
end

local function assert_last(expected, output)
  assert.equal(expected, output:match "([^\n]*)\n$", output)
end

describe("scripts/test", function()
  it("counts the three builds, each lint, and the specs on each build", function()
    local code, output = test { ["spec/unit/a/a_spec.lua"] = GOOD, ["spec/unit/scripts/b_spec.lua"] = GOOD .. GOOD }
    assert_last("8 passed, 0 failed", output)
    assert.equal(0, code)
  end)

  it("stops where a build fails, and shows why", function()
    local code, output = test { Makefile = "all:\n\t@echo no compiler; false\n", ["spec/unit/a/a_spec.lua"] = GOOD }
    assert_last("0 passed, 1 failed", output)
    assert.matches("no compiler", output)
    assert.equal(1, code)
  end)

  it("counts a lint that fails", function()
    local code, output = test {
      ["scripts/lint-b"] = "#!/bin/sh\necho bad; exit 3\n",
      ["spec/unit/a/a_spec.lua"] = GOOD,
    }
    assert_last("6 passed, 1 failed", output)
    assert.matches("bad", output)
    assert.equal(1, code)
  end)

  for what, text in pairs {
    ["a failure"] = 'it("b", function() error "why" end)',
    ["a pending spec"] = 'pending("why")',
    ["a file that does not load"] = 'error "why"',
    ["a file that does not parse"] = "why why",
    ["a file without specs"] = "-- why",
    ["a process that ends in the middle"] = 'it("why", function() os.exit(0) end)',
    ["a process that dies"] = 'it("why", function() require("ffi").cast("char *", 8)[0] = 1 end)',
  } do
    it("counts " .. what, function()
      local code, output = test({ ["spec/a_spec.lua"] = text, ["spec/b_spec.lua"] = GOOD }, "spec")
      assert_last("2 passed, 1 failed", output)
      assert.matches("FAILED .*spec/a_spec.lua", output)
      assert.equal(1, code)
    end)
  end

  it("fails where a program under test left a sanitizer's report", function()
    local leak = [[it("a", function()
      if os.getenv("ASAN_OPTIONS") then
        local report = io.open(os.getenv("ASAN_OPTIONS"):match("log_path=([^:]*)") .. ".1", "w")
        report:write("heap-use-after-free\n")
        report:close()
      end
    end)]]
    local code, output = test { ["spec/functional/a_spec.lua"] = leak }
    assert_last("6 passed, 1 failed", output)
    assert.matches("heap%-use%-after%-free", output)
    assert.equal(1, code)
  end)

  it("runs only what is named", function()
    local code, output = test({ ["spec/a_spec.lua"] = GOOD, ["spec/b_spec.lua"] = "error()" }, "spec/a_spec.lua")
    assert_last("2 passed, 0 failed", output)
    assert.equal(0, code)
  end)
end)
