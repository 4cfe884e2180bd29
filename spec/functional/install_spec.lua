-- `make install` and `make uninstall`, as packagers use them, and the commands of the documents that install.
local beanstalkd = require "spec.support.beanstalkd"
local process = require "spec.support.process"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local BUILD = os.getenv "BUILD" or "build" -- as make has it: by another name all would be built again

local INSTALLED = "./bin/lunastalk\n./lib/lunastalk/lunastalk-executor\n"
for _, module in ipairs { "connection", "job", "json", "log", "queue", "settings", "testing" } do
  INSTALLED = INSTALLED .. "./share/lunastalk/library/lunastalk/" .. module .. ".lua\n"
end

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

-- A sudo for who is root: it lets the command be.
local function path_with_sudo()
  local dir = temp.dir()
  temp.write(dir .. "/sudo", '#!/bin/sh\nexec "$@"\n')
  assert(os.execute("chmod 755 " .. dir .. "/sudo"))
  return dir .. ":" .. os.getenv "PATH"
end

describe("the documents", function()
  for file, pattern in pairs {
    ["README.md"] = "\n`(scripts/install%-packages build && [^`]+)` installs",
    ["scripts/README.md"] = "## Install\n\n```\n(.-)```",
  } do
    it("have commands that install: " .. file, function()
      local commands = assert(temp.read(file):match(pattern), file .. " has none")
      local prefix = temp.dir()
      local code, output, errors = process.run({ "bash", "-euc", commands }, {
        seconds = 120, env = { PATH = path_with_sudo(), PREFIX = prefix, BUILD = BUILD },
      })
      assert.equal(0, code, output .. errors)
      assert.equal(INSTALLED, files_in(prefix))
    end)
  end
end)

describe("make install", function()
  it("installs what runs jobs, and uninstall takes it away", function()
    local prefix, server = temp.dir(), beanstalkd.start()
    make("install", prefix)
    assert.equal(INSTALLED, files_in(prefix))
    local dir = worker.project { server = server, jobs = { ["ok.lua"] = "return function() end" } }
    server:client():put '{"job":"ok"}'
    local code, output, errors = process.run(
      { prefix .. "/bin/lunastalk", "run", "--allow-root", "--stop-when-empty", "--log-level=debug" }, { cwd = dir })
    assert.equal(0, code, output .. errors)
    assert.matches("debug ok: job finished", output)
    for _, arguments in ipairs { { "new", "send_invoice" }, { "test", "spec/jobs" } } do
      code, output, errors = process.run({ prefix .. "/bin/lunastalk", unpack(arguments) }, { cwd = dir })
      assert.equal(0, code, output .. errors)
    end
    assert.matches("2 successes / 0 failures / 0 errors", output)
    local dev = process.spawn({ prefix .. "/bin/lunastalk", "dev", "--allow-root" }, { cwd = dir })
    dev:expect "handlers are loaded"
    assert.equal(0, (process.run({ prefix .. "/bin/lunastalk", "put", "ok" }, { cwd = dir })))
    dev:expect "debug ok: job finished"
    assert.equal(0, (dev:stop()))
    make("uninstall", prefix)
    assert.equal("", files_in(prefix))
  end)
end)
