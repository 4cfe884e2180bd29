local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local COMMANDS = { "run", "put", "stats", "peek", "kick", "delete", "config" }

describe("config", function()
  it("prints every value and where it comes from, as YAML that means the same", function()
    local dir = temp.dir()
    temp.write(dir .. "/config.yml", "worker:\n  executors: 3\n")
    local env = { LUNASTALK_WORKER_TUBES = "[a, b]" }
    local code, output, errors = worker.lunastalk("config", "--beanstalkd", "localhost:1", { cwd = dir, env = env })
    assert.equal(0, code, errors)
    assert.matches("executors: 3 +# [^\n]*config.yml:2:14\n", output)
    assert.matches("tubes: %[a, b%] +# LUNASTALK_WORKER_TUBES\n", output)
    assert.matches("server: \"?localhost:1\"? +# %-%-beanstalkd\n", output)
    temp.write(dir .. "/again.yml", output)
    local _, again = worker.lunastalk("config", "--config=again.yml", { cwd = dir })
    assert.equal((output:gsub("#[^\n]*", "#")), (again:gsub("#[^\n]*", "#")))
  end)

  it("checks only", function()
    local dir = temp.dir()
    assert.same({ 0, "no config.yml here, only defaults: ok\n", "" },
      { worker.lunastalk("config", "--check", { cwd = dir }) })
    temp.write(dir .. "/config.yml", "worker: { executors: 2 }\n")
    local code, output = worker.lunastalk("config", "--check", { cwd = dir })
    assert.equal(0, code)
    assert.matches("config.yml: ok\n$", output)
  end)

  it("lists all errors and exits 78, as every command does", function()
    local dir = temp.dir()
    temp.write(dir .. "/config.yml", "worker:\n  tubs: [a]\n  executors: 0\n")
    for _, arguments in ipairs { { "config" }, { "config", "--check" }, { "stats" }, { "put", "noop" } } do
      table.insert(arguments, { cwd = dir })
      local code, output, errors = worker.lunastalk(unpack(arguments))
      assert.equal(78, code)
      assert.equal("", output)
      assert.matches("config.yml:2:3: [^\n]*tubs[^\n]*did you mean 'tubes'", errors)
      assert.matches("config.yml:3:14: ", errors)
    end
  end)

  it("says that a named file is not there", function()
    local code, _, errors = worker.lunastalk("config", "--config", "missing.yml", { cwd = temp.dir() })
    assert.equal(78, code)
    assert.matches("missing.yml.*No such file", errors)
  end)
end)

describe("lunastalk", function()
  it("lists its commands", function()
    local code, output, errors = worker.lunastalk "--help"
    assert.equal(0, code)
    assert.equal("", errors)
    for _, command in ipairs(COMMANDS) do
      assert.matches("\n  " .. command .. " +%l", output)
    end
    assert.equal(output, (select(2, worker.lunastalk "help")))
    assert.equal(output, (select(2, worker.lunastalk "-h")))
    assert.same({ 64, "", output }, { worker.lunastalk() })
  end)

  it("tells its version", function()
    local code, output = worker.lunastalk "--version"
    assert.equal(0, code)
    assert.matches("^lunastalk %d+%.%d+%.%d+\n$", output)
  end)

  it("suggests what was meant", function()
    assert.same({ 64, "", "lunastalk: unknown command 'stast'; did you mean 'stats'?\n" },
      { worker.lunastalk "stast" })
    assert.same({ 64, "", "lunastalk: unknown command 'frobnicate'; 'lunastalk --help' lists them\n" },
      { worker.lunastalk "frobnicate" })
  end)

  it("helps with each command, whatever else is on the line", function()
    for _, command in ipairs(COMMANDS) do
      local code, output = worker.lunastalk(command, "--help")
      assert.equal(0, code)
      assert.matches("^usage: lunastalk " .. command, output)
      assert.matches("\n  %-%-config FILE ", output)
      assert.equal(output, (select(2, worker.lunastalk("help", command))))
      for line in output:gmatch "[^\n]+" do
        assert.is_true(#line <= 120, line)
      end
    end
    assert.equal(0, (worker.lunastalk("put", "a", "b", "c", "-h")))
  end)
end)
