local beanstalkd = require "spec.support.beanstalkd"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local dir = temp.dir()

describe("kick", function()
  local server, client

  local function kick(...)
    local arguments = { ... }
    table.insert(arguments, "--beanstalkd")
    table.insert(arguments, server.address)
    table.insert(arguments, { cwd = dir })
    return worker.lunastalk("kick", unpack(arguments))
  end

  before_each(function()
    server = beanstalkd.start()
    client = server:client()
    for _ = 1, 3 do
      client:put "{}"
      client:bury((client:reserve(1)))
    end
    for _ = 1, 2 do
      client:put("{}", { delay = 1000 })
    end
  end)

  after_each(function()
    client:close()
    server:stop()
  end)

  local function jobs()
    local counts = client:jobs()
    return ("%d ready, %d buried, %d delayed"):format(counts.ready, counts.buried, counts.delayed)
  end

  it("kicks one job unless told more", function()
    local code, output = kick "default"
    assert.equal(0, code)
    assert.equal("kicked 1 of 3 buried jobs of tube default\nall of them: --all\n", output)
    assert.equal("1 ready, 2 buried, 2 delayed", jobs())
  end)

  it("never kicks delayed jobs when it was not asked to", function()
    local _, output = kick("default", 5)
    assert.equal("kicked 3 of 3 buried jobs of tube default\n", output)
    assert.equal("3 ready, 0 buried, 2 delayed", jobs())
    local code
    code, output = kick("default", 5)
    assert.equal(0, code)
    assert.equal("kicked 0 of 0 buried jobs of tube default\n2 are delayed: --delayed kicks those\n", output)
    assert.equal("3 ready, 0 buried, 2 delayed", jobs())
    assert.equal("kicked 0 of 0 buried jobs of tube default\n", (select(2, kick("default", "--all"))):match "^[^\n]*\n")
  end)

  it("kicks all that are buried", function()
    assert.equal("kicked 3 of 3 buried jobs of tube default\n", (select(2, kick("default", "--all"))))
    assert.equal("3 ready, 0 buried, 2 delayed", jobs())
  end)

  it("kicks delayed jobs after the buried ones", function()
    assert.matches("^kicked 4 of 5 buried and delayed jobs", (select(2, kick("default", 4, "--delayed"))))
    assert.equal("4 ready, 0 buried, 1 delayed", jobs())
    assert.matches("^kicked 1 of 1 buried and delayed jobs", (select(2, kick("default", "--delayed", "--all"))))
    assert.equal("5 ready, 0 buried, 0 delayed", jobs())
  end)

  it("kicks one job by its id", function()
    local code, output = kick("--id", 2)
    assert.equal(0, code)
    assert.equal("kicked job 2: it is ready\n", output)
    assert.equal("ready", client:stats_job(2).state)
    assert.same({ 1, "", "lunastalk kick: job 2 is neither buried nor delayed, or gone\n" }, { kick("--id", 2) })
  end)

  it("makes no tube by asking", function()
    local code, _, errors = kick "nope"
    assert.equal(1, code)
    assert.equal("lunastalk kick: there is no tube nope\n", errors)
    assert.is_nil(client:stats_tube "nope")
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs {
      {}, { "default", "0" }, { "default", "x" }, { "default", "1", "--all" }, { "default", "--id", "1" },
      { "--id", "0" }, { "--id", "1", "--all" }, { "-x" }, { "default", "1", "2" },
    } do
      local code, _, errors = kick(unpack(arguments))
      assert.equal(64, code, errors)
    end
    assert.equal("3 buried", jobs():match "3 buried")
  end)
end)
