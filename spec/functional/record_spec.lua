-- `lunastalk record`, and `put --id` and `--track`.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local dir = temp.dir()
local server, store = beanstalkd.start { max_job_size = 1000 }, redis.start()
local queue, client = server:client(), store:client()

local function lunastalk(command, ...)
  local arguments = { command, ... }
  for _, argument in ipairs { "--redis", store.address, { cwd = dir } } do
    table.insert(arguments, argument)
  end
  return worker.lunastalk(unpack(arguments))
end

local function put(...)
  return lunastalk("put", "--beanstalkd", server.address, ...)
end

local function body_of(id)
  return cjson.decode(queue:peek(id))
end

before_each(function()
  client:call "FLUSHALL"
end)

describe("record", function()
  it("shows the fields that are known in their order, then the others", function()
    assert(client:call("HSET", "jobs:order-7", "mine", "5", "state", "done", "created", os.time() - 125 .. ".500",
      "updated", os.time() - 3 .. ".001", "name", "send_email", "attempt", "2", "worker", "web1_worker1", "server",
      "127.0.0.1:11300", "job", "17", "tube", "email", "error", "", "progress", "[0.4,\"x\"]", "runtime", "0.25"))
    local code, output, errors = lunastalk("record", "order-7")
    assert.same({ 0, "" }, { code, errors })
    local moment = "%d+%-%d%d%-%d%d %d%d:%d%d:%d%d, "
    assert.matches("^id         order%-7\nstate      done\nname       send_email\nattempt    2\ncreated    " .. moment
      .. "2 min [4-9] s ago\nupdated    " .. moment .. "%d s ago\nruntime    0.25 s\nprogress   %[0.4,\"x\"%]\n"
      .. "worker     web1_worker1\nserver     127.0.0.1:11300\njob        17\ntube       email\n"
      .. "mine       5\n$", output)
    local printed = cjson.decode((select(2, lunastalk("record", "order-7", "--json"))))
    assert.same({ "order-7", "done", "2", 0.4, "5" },
      { printed.id, printed.state, printed.attempt, printed.progress[1], printed.mine })
  end)

  it("says that there is none", function()
    assert.same({ 1, "", "lunastalk record: no record of x: it ended records.ttl after the last change, or no "
      .. "envelope had this id\n" }, { lunastalk("record", "x") })
  end)

  it("bears whatever stands there", function()
    client:call("HSET", "jobs:x", "state", "\27[2J", "created", "1e999", "updated", "-5", "\27\255", "\n\0",
      "progress", "{{", "name", ("n"):rep(1000000))
    local code, output = lunastalk("record", "x")
    assert.equal(0, code)
    assert.is_nil(output:find "[\27%z]")
    code, output = lunastalk("record", "x", "--json")
    assert.equal(0, code)
    assert.equal("{{", cjson.decode(output).progress)
    client:call("DEL", "jobs:x")
    client:call("LPUSH", "jobs:x", "1")
    assert.matches("HGETALL jobs:x: WRONGTYPE", (select(3, lunastalk("record", "x"))))
  end)

  it("refuses a wrong command line", function()
    assert.equal(64, (lunastalk "record"))
    assert.equal(64, (lunastalk("record", "a", "b")))
    for _, id in ipairs { "", "no id", ("x"):rep(1000) } do
      local code, _, errors = lunastalk("record", id)
      assert.equal(64, code)
      assert.matches("is no envelope's id", errors)
    end
  end)
end)

describe("put", function()
  it("--id puts the id into the envelope, without Redis", function()
    local code, output = worker.lunastalk("put", "greet", '{"a":1}', "--id", "order-7", "--beanstalkd", server.address,
      { cwd = dir })
    assert.equal(0, code)
    local id = output:match "^put greet as job (%d+) into tube default [^\n]*\nid order%-7\n$"
    assert.equal('{"job":"greet","data":{"a":1},"id":"order-7"}', queue:peek(id))
    assert.equal(0, client:call("EXISTS", "jobs:order-7"))
  end)

  it("--track makes the record first", function()
    local code, output = put("greet", "--id", "order-8", "--track", "--tube", "t")
    assert.equal(0, code, output)
    local record = client:hash "jobs:order-8"
    assert.same({ "queued", "greet", "t" }, { record.state, record.name, record.tube })
    assert.matches("^%d+%.%d%d%d$", record.created)
    assert.equal(record.created, record.updated)
    local ttl = client:call("TTL", "jobs:order-8")
    assert.is_true(ttl > 7 * 86400 - 60 and ttl <= 7 * 86400)
  end)

  it("--track makes a random id unless one is given", function()
    local seen = {}
    for _ = 1, 3 do
      local _, output = put("greet", "--track", "--json")
      local printed = cjson.decode(output)
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", printed.record)
      assert.equal(printed.record, body_of(printed.id).id)
      assert.equal("queued", client:hash("jobs:" .. printed.record).state)
      assert.is_nil(seen[printed.record])
      seen[printed.record] = true
    end
  end)

  it("--track never writes over a record that is there", function()
    client:call("HSET", "jobs:x", "state", "done", "error", "")
    local code, _, errors = put("greet", "--track", "--id", "x")
    assert.equal(0, code)
    assert.matches("warning: x has a record already %(state done%): it stays as it is", errors)
    assert.same({ state = "done", error = "" }, client:hash "jobs:x")
  end)

  it("--track puts nothing when the record cannot be made", function()
    local before = queue:stats()["cmd-put"]
    client:call("SET", "jobs:x", "text")
    local code, output, errors = put("greet", "--track", "--id", "x")
    assert.same({ 1, "" }, { code, output })
    assert.matches("EVAL jobs:x: WRONGTYPE.*; nothing was put\n$", errors)
    assert.equal("text", client:call("GET", "jobs:x"))
    assert.equal(78, (worker.lunastalk("put", "greet", "--track", "--beanstalkd", server.address, { cwd = dir })))
    local away = redis.start()
    away:stop()
    assert.equal(69, (worker.lunastalk("put", "greet", "--track", "--redis", away.address, "--beanstalkd",
      server.address, { cwd = dir })))
    assert.equal(before, queue:stats()["cmd-put"])
  end)

  it("--track takes the record back when the job is refused", function()
    local code = put("greet", '"' .. ("x"):rep(2000) .. '"', "--track", "--id", "big")
    assert.equal(1, code)
    assert.equal(0, client:call("EXISTS", "jobs:big"))
  end)

  it("refuses ids that are none, and files with --id", function()
    for _, arguments in ipairs {
      { "greet", "--id", "a b" }, { "greet", "--id", "" }, { "greet", "--id", ("x"):rep(129), "--track" },
      { "--from", "x", "--id", "y" }, { "--from", "x", "--track" },
    } do
      assert.equal(64, (put(unpack(arguments))), arguments[3])
    end
  end)
end)
