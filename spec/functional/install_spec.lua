-- `make install` and `make uninstall`, as packagers and the README use them.
local beanstalkd = require "spec.support.beanstalkd"
local process = require "spec.support.process"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local BUILD = worker.built "":sub(1, -2)

local function make(target, prefix)
  local code, output, errors = process.run({ "make", "-s", target, "BUILD=" .. BUILD, "PREFIX=" .. prefix }, {
    seconds = 120,
  })
  assert.equal(0, code, output .. errors)
end

local function files_in(dir)
  local find = io.popen("cd " .. dir .. " && find . -type f | sort")
  local files = find:read "*a"
  find:close()
  return files
end

describe("make install", function()
  it("installs what runs jobs, and uninstall takes it away", function()
    local prefix, server = temp.dir(), beanstalkd.start()
    make("install", prefix)
    assert.equal("./bin/lunastalk\n./lib/lunastalk/lunastalk-executor\n", files_in(prefix))
    local dir = worker.project { server = server, jobs = { ["ok.lua"] = "return function() end" } }
    server:client():put '{"job":"ok"}'
    local code, output, errors = process.run(
      { prefix .. "/bin/lunastalk", "run", "--allow-root", "--stop-when-empty", "--log-level=debug" }, { cwd = dir })
    assert.equal(0, code, output .. errors)
    assert.matches("debug ok: job finished", output)
    make("uninstall", prefix)
    assert.equal("", files_in(prefix))
  end)
end)
