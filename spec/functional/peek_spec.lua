local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local process = require "spec.support.process"
local stdlib = require "posix.stdlib"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local client = server:client()
local dir = temp.dir()

local function run(command, ...)
  local arguments = { ... }
  table.insert(arguments, "--beanstalkd")
  table.insert(arguments, server.address)
  table.insert(arguments, { cwd = dir })
  return worker.lunastalk(command, unpack(arguments))
end

local function bury(body, options)
  local id = client:put(body, options)
  client:watch(options.tube)
  client:ignore "default"
  assert.equal(id, (client:reserve(1)))
  client:bury(id, options.priority)
  client:watch "default"
  client:ignore(options.tube)
  return id
end

describe("peek", function()
  it("shows all about a job, and its envelope to read", function()
    local id = client:put('{"job":"send_email","data":{"to":"é@example.com","list":[]}}',
      { tube = "mail", priority = 7, delay = 1000, ttr = 90 })
    local code, output, errors = run("peek", "--id", id)
    assert.equal(0, code)
    assert.equal("", errors)
    assert.matches(([[
^job        %s
name       send_email
tube       mail
state      delayed
priority   7
age        %%d+ s
delay      1000 s, %%d+ s left
ttr        90 s
failed     0 times
counters   reserves 0, timeouts 0, releases 0, buries 0, kicks 0
body       61 bytes

{
  "job": "send_email",
  "data": {
    "to": "é@example.com",
    "list": %%[%%]
  }
}

run again: lunastalk kick %%-%%-id %s %%-%%-beanstalkd 127.0.0.1:%d
remove: lunastalk delete %%-%%-id %s %%-%%-beanstalkd 127.0.0.1:%d
$]]):format(id, id, server.port, id, server.port), output)
  end)

  it("takes the first buried job, else the first that is ready, else delayed, and says which", function()
    client:put('{"job":"late"}', { tube = "which", delay = 1000 })
    local _, output = run("peek", "which")
    assert.matches("^the next delayed job of which %(0 buried, 0 ready, 1 delayed%)\n", output)
    bury('{"job":"broken"}', { tube = "which" })
    client:put('{"job":"waits"}', { tube = "which" })
    output = select(2, run("peek", "which"))
    assert.matches("^the next buried job of which %(1 buried, 1 ready, 1 delayed%)\n.*name       broken\n", output)
    assert.matches("failed     1 times\ncounters   reserves 1, timeouts 0, releases 0, buries 1, kicks 0\n", output)
    assert.matches("name       waits\n", (select(2, run("peek", "which", "ready"))))
    assert.matches("name       late\n", (select(2, run("peek", "which", "delayed"))))
  end)

  it("says which job there is not, and makes no tube by asking", function()
    for arguments, says in pairs {
      ["nope"] = "there is no tube nope",
      ["default buried"] = "tube default has no buried job",
      ["default"] = "tube default has no buried, ready or delayed job",
      ["--id 999"] = "there is no job 999",
    } do
      local words = {}
      for word in arguments:gmatch "%S+" do
        table.insert(words, word)
      end
      assert.same({ 1, "", ("lunastalk peek: %s\n"):format(says) }, { run("peek", unpack(words)) })
    end
    assert.is_nil(client:stats_tube "nope")
  end)

  it("tells why a body is no envelope, and lets none of it drive the terminal", function()
    for body, shown in pairs {
      ["\27[2J\255"] = "\\u001b%[2J\\xff",
      [""] = "the body is empty",
      ["42"] = "it is an integer, not an object\n42\n",
      ['{"data":"\194\155"}'] = 'it has no "job".-"\\u009b"',
      ["a\nb"] = "not JSON.-\na\nb\n",
    } do
      local id = client:put(body, { tube = "odd" })
      local code, output = run("peek", "--id", id)
      assert.equal(0, code)
      assert.matches("no envelope: .*" .. shown, output)
      assert.is_nil(output:find "[%z\1-\9\11-\31\127]")
    end
  end)

  it("cuts what is long, never through a character", function()
    local id = client:put('{"job":"noop","data":"' .. ("é"):rep(20000) .. '"}')
    local _, output = run("peek", "--id", id)
    assert.matches("é\n… %(%-%-raw shows all%)\n", output)
    assert.is_true(#output < 18000)
    assert.is_nil(output:find("\\x", 1, true))
    client:delete(id)
  end)

  it("gives the body byte for byte", function()
    local body = "\0\255\r\n" .. ("x"):rep(65531)
    local id = client:put(body)
    local _, output = run("peek", "--raw", "--id", id)
    assert.is_true(output == body)
    client:delete(id)
  end)

  it("prints JSON for programs", function()
    local id = bury('{"job":"a","data":"\\u001b"}', { tube = "json" })
    local job = cjson.decode((select(2, run("peek", "json", "--json"))))
    assert.same({ id, "json", "buried", 27, '{"job":"a","data":"\\u001b"}' },
      { job.id, job.tube, job.state, job.bytes, job.body })
    local binary = client:put "\255"
    assert.equal(cjson.null, cjson.decode((select(2, run("peek", "--json", "--id", binary)))).body)
    client:delete(binary)
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs {
      {}, { "default", "--id", "1" }, { "--id", "x" }, { "--id", "0" }, { "default", "reserved" }, { "a b" },
      { "default", "--raw", "--json" },
    } do
      local code, _, errors = run("peek", unpack(arguments))
      assert.equal(64, code, errors)
    end
  end)

  it("prints commands that work when they are pasted", function()
    local odd = beanstalkd.start { unix = temp.dir() .. "/it's here" }
    local id = odd:client():put "{}"
    local _, output = worker.lunastalk("peek", "default", "--beanstalkd", odd.address, { cwd = dir })
    local command = output:match "remove: ([^\n]+)"
    local code, deleted = process.run({ "sh", "-c", command },
      { cwd = dir, env = { PATH = worker.built "" .. ":" .. stdlib.getenv "PATH" } })
    assert.equal(0, code)
    assert.matches("deleted job " .. id, deleted)
    odd:stop()
  end)
end)

describe("delete", function()
  it("deletes ready, delayed and buried jobs and says what they were", function()
    local ready = client:put('{"job":"a.b"}', { tube = "del" })
    local buried = bury("no envelope", { tube = "del2" })
    local code, output = run("delete", "--id", ready, "--id", buried)
    assert.equal(0, code)
    assert.equal(("deleted job %s (a.b, ready in tube del)\n"):format(ready)
      .. ("deleted job %s (no envelope, buried in tube del2)\n"):format(buried), output)
    assert.is_nil(client:peek(ready))
  end)

  it("explains what it could not delete, and deletes the others", function()
    client:watch "held"
    local held = client:put('{"job":"a"}', { tube = "held" })
    assert.equal(held, (client:reserve(1)))
    local free = client:put('{"job":"\\u001b"}', { tube = "free" })
    local code, output, errors = run("delete", "--id", held, "--id", 999, "--id", free)
    assert.equal(1, code)
    assert.matches(("^deleted job %s %%(\\u001b, ready in tube free%%)\n$"):format(free), output)
    assert.matches(("job %s %%(a, reserved in tube held%%) is held by a worker, or gone"):format(held), errors)
    assert.matches("there is no job 999\n", errors)
    assert.is_true(client:delete(held) ~= nil)
    client:ignore "held"
  end)

  it("refuses a wrong command line", function()
    for _, arguments in ipairs { {}, { "17" }, { "--id", "1x" }, { "--id" } } do
      assert.equal(64, (run("delete", unpack(arguments))))
    end
  end)
end)
