local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local fake = require "spec.support.fake"
local process = require "spec.support.process"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start { binlog = true }
local dir = temp.dir()

local function stats(...)
  local arguments = { ... }
  table.insert(arguments, "--beanstalkd")
  table.insert(arguments, server.address)
  table.insert(arguments, { cwd = dir })
  return worker.lunastalk("stats", unpack(arguments))
end

-- Columns of the line that begins with `name`.
local function row(output, name)
  local cells = {}
  local line = ("\n" .. output):match("\n" .. name:gsub("%p", "%%%0") .. " ([^\n]*)")
  for cell in assert(line, output):gmatch "%S+" do
    table.insert(cells, cell)
  end
  return table.concat(cells, " ")
end

describe("stats", function()
  local client

  setup(function()
    client = server:client()
    client:put("{}", { tube = "email.regular" })
    client:put("{}", { tube = "email.regular" })
    client:put("{}", { tube = "email.regular", delay = 100 })
    client:put("{}", { tube = "bulk" })
    client:watch "bulk"
    client:ignore "default"
    client:bury((client:reserve(1)))
    client:command "pause-tube bulk 1000"
  end)

  teardown(function()
    client:close()
  end)

  it("shows the server and all tubes by name, not counting itself", function()
    local code, output, errors = stats()
    assert.equal(0, code)
    assert.equal("", errors)
    assert.matches("^beanstalkd [%d.]+ at 127.0.0.1:%d+, up %d+ s, instance %x+, 1 connection, binlog on\n", output)
    assert.matches("tube +ready +reserved +delayed +buried +waiting +watching +paused +total\n", output)
    assert.matches("\nbulk .*\ndefault .*\nemail.regular .*\ntotal ", output)
    assert.equal("0 0 0 0 0 0 no 0", row(output, "default"))
    assert.equal("2 0 1 0 0 0 no 3", row(output, "email.regular"))
    assert.matches("^0 0 0 1 0 1 %d+ s 1$", row(output, "bulk"))
    assert.equal("2 0 1 1 4", row(output, "total"))
    for line in output:gmatch "[^\n]+" do
      assert.is_true(#line < 110, line)
    end
  end)

  it("shows only the tubes that are named, and says which is not there", function()
    local code, output, errors = stats("email.regular", "nope")
    assert.equal(1, code)
    assert.is_nil(output:find "bulk")
    assert.equal("2 0 1 0 0 0 no 3", row(output, "email.regular"))
    assert.equal("lunastalk stats: there is no tube nope: one is there while it has jobs or workers\n", errors)
  end)

  it("prints everything that beanstalkd tells as JSON", function()
    local code, output = stats "--json"
    assert.equal(0, code)
    local all = cjson.decode(output)
    assert.is_string(all.server.version)
    assert.is_string(all.server.id)
    assert.equal(65535, all.server.max_job_size)
    assert.is_false(all.server.draining)
    assert.equal(3, #all.tubes)
    assert.equal("bulk", all.tubes[1].name)
    assert.equal(1, all.tubes[1].current_jobs_buried)
    assert.equal(1000, all.tubes[1].pause)
    output = select(2, stats("--json", "default"))
    assert.equal(0, cjson.decode(output).tubes[1].current_watching)
  end)

  it("refuses what is no tube", function()
    local code, output, errors = stats "a b"
    assert.equal(64, code)
    assert.equal("", output)
    assert.matches("'a b' is no tube", errors)
  end)

  it("says when the server drains", function()
    local draining = beanstalkd.start()
    draining.process:kill(signal.SIGUSR1)
    wait.eventually(5, function()
      return draining:client():stats().draining == "true"
    end, "draining")
    local _, output = worker.lunastalk("stats", "--beanstalkd", draining.address, { cwd = dir })
    assert.matches("binlog off, draining", output)
    draining:stop()
  end)

  it("ends without a word when its reader had enough", function()
    local command = ("'%s' stats --beanstalkd %s | true"):format(worker.built "lunastalk", server.address)
    local _, output, errors = process.run({ "sh", "-c", command }, { cwd = dir })
    assert.equal("", output)
    assert.equal("", errors)
  end)
end)

describe("stats and a server that lies", function()
  -- Answers `stats` twice, then one command after the other; returns what stats does.
  local function against(answers, ...)
    local listener = fake.listen()
    local child = process.spawn({ worker.built "lunastalk", "stats", "--beanstalkd", listener.address, ... },
      { cwd = dir })
    local connection = listener:accept()
    for _, answer in ipairs { fake.stats(), fake.stats(), unpack(answers) } do
      connection:line()
      connection:send(answer)
    end
    connection:close()
    return child:wait(), child:output()
  end

  local function ok(yaml)
    return ("OK %d\r\n%s\r\n"):format(#yaml, yaml)
  end

  it("shows no control character of it", function()
    local code, output = against { ok "---\n- a\27[2J\n", ok "---\nname: a\27[2J\ncurrent-jobs-ready: -5\n" }
    assert.equal(0, code)
    assert.matches("a\\u001b%[2J", output)
    assert.is_nil(output:find("\27", 1, true))
  end)

  it("bears statistics without anything in them, and tubes that just went", function()
    local code, output = against({ ok "", "NOT_FOUND\r\n" }, "x", "y")
    assert.equal(1, code)
    assert.matches("there is no tube y", output)
    code, output = against { ok "---\n- a\n- b\n", "NOT_FOUND\r\n", ok "---\nname: b\n" }
    assert.equal(0, code)
    assert.matches("\nb +0 ", output)
  end)

  it("says what it could not get", function()
    local code, output = against { "INTERNAL_ERROR\r\n" }
    assert.equal(1, code)
    assert.matches("list%-tubes: INTERNAL_ERROR", output)
    code, output = against { ok "---\n- a\n", "BAD_FORMAT\r\n" }
    assert.equal(69, code) -- the connection is out of step
    assert.matches("stats%-tube a: BAD_FORMAT", output)
  end)
end)
