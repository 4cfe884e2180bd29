local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local fake = require "spec.support.fake"
local process = require "spec.support.process"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local client = server:client()
local dir = temp.dir()
local NOWHERE = "127.0.0.1:" .. beanstalkd.free_port()

-- Arguments of put; a table last: options of the process, and `to`, the server's address.
local function put(...)
  local arguments, options = { ... }, {}
  if type(arguments[#arguments]) == "table" then
    options = table.remove(arguments)
  end
  table.insert(arguments, "--beanstalkd")
  table.insert(arguments, options.to or server.address)
  options.cwd = dir
  table.insert(arguments, options)
  return worker.lunastalk("put", unpack(arguments))
end

local function lines(count, line)
  local text = {}
  for i = 1, count do
    text[i] = line and line(i) or ('{"job":"noop","data":%d}'):format(i)
  end
  return table.concat(text, "\n") .. "\n"
end

-- put with its stdout redirected by the shell.
local function with_stdout(redirection)
  return process.run({ "sh", "-c", 'exec "$0" put noop --tube output --beanstalkd "$1" ' .. redirection,
    worker.built "lunastalk", server.address }, { cwd = dir })
end

describe("put NAME", function()
  it("puts the envelope and says what it used", function()
    local code, output, errors = put "email.welcome"
    assert.equal(0, code)
    local id = output:match "^put email.welcome as job (%d+) into tube default %(priority 1024, delay 0 s, ttr 60 s%)\n"
    assert.equal('{"job":"email.welcome","data":{}}', client:peek(id))
    local stats = client:stats_job(id)
    assert.same({ 1024, 0, 60, "default" }, { stats.pri, stats.delay, stats.ttr, stats.tube })
    assert.equal("", errors)
  end)

  it("takes data and flags wherever they stand", function()
    local code, output = put("--priority=0", "noop", "--tube", "t", '{"a": [1.50, "é"]}', "--delay", "2h", "--ttr=5m")
    assert.equal(0, code)
    local id = output:match "job (%d+) into tube t %(priority 0, delay 7200 s, ttr 300 s%)"
    assert.equal('{"job":"noop","data":{"a": [1.50, "é"]}}', client:peek(id))
    local stats = client:stats_job(id)
    assert.same({ 0, 7200, 300, "t" }, { stats.pri, stats.delay, stats.ttr, stats.tube })
  end)

  it("prints JSON for programs", function()
    local _, output = put("noop", "--json", "--tube", "j")
    local outcome = cjson.decode(output)
    assert.equal("j", outcome.tube)
    assert.equal('{"job":"noop","data":{}}', client:peek(outcome.id))
  end)

  it("warns when nobody watches the tube, its own connection aside", function()
    local alone = beanstalkd.start()
    local _, _, errors = put("noop", { to = alone.address })
    assert.equal("lunastalk put: warning: nobody watches tube default\n", errors)
    alone:client():watch "seen"
    assert.equal("", (select(3, put("noop", { to = alone.address }))))
    assert.equal("", (select(3, put("noop", "--tube", "seen", { to = alone.address }))))
    alone:stop()
  end)

  it("refuses a wrong command line before it connects", function()
    for _, case in ipairs {
      { "Bad", says = "'Bad' is no handler's name" },
      { "../../etc/passwd", says = "no handler's name" },
      { "_bootstrap", says = "no handler's name" },
      { "noop", "{", says = "is not JSON" },
      { "noop", '{},"job":"x"', says = "is not JSON" },
      { "noop", '{"a":1,"a":2}', says = "duplicate" },
      { "noop", ("["):rep(64), says = "nested deeper than 63" },
      { "noop", "--priority", "-1", says = "%-%-priority: '%-1' is no whole number from 0 to 4294967295" },
      { "noop", "--priority", "4294967296", says = "from 0 to 4294967295" },
      { "noop", "--ttr", "0", says = "%-%-ttr: '0' is no number of seconds from 1 up" },
      { "noop", "--delay", "250ms", says = "%-%-delay: '250ms'" },
      { "noop", "--delay", "1x", says = "%-%-delay: '1x'" },
      { "noop", "--tube", "a b", says = "'a b' is no tube" },
      { "noop", "--tube", "a", "--tube", "b", says = "%-%-tube is given twice" },
      { "noop", "--tuve", "a", says = "unknown flag '%-%-tuve'; did you mean '%-%-tube'%?" },
      { "noop", "--tube", "--", says = "'%-%-' is no tube" },
      { "noop", "--json=1", says = "%-%-json takes no value" },
      { "noop", "-t", says = "unknown flag '%-t'" },
      { "noop", "{}", "{}", says = "too many arguments; usage: lunastalk put NAME %[JSON%]" },
      { "noop", "--from", "x", says = "either the NAME of a job or %-%-from FILE" },
      { says = "either the NAME of a job or %-%-from FILE" },
    } do
      table.insert(case, { to = NOWHERE })
      local code, output, errors = put(unpack(case))
      assert.equal(64, code, case.says)
      assert.equal("", output)
      assert.matches("^lunastalk put: [^\n]*" .. case.says .. "[^\n]*\n$", errors)
    end
  end)

  it("says why there is no server", function()
    local code, output, errors = put("noop", { to = NOWHERE })
    assert.equal(69, code)
    assert.equal("", output)
    assert.equal(("lunastalk put: %s: connection refused\n"):format(NOWHERE), errors)
  end)

  local usual = require("spec.support.client").connect "127.0.0.1:11300"
  local it_if_free = usual and function() end or it
  it_if_free("says what to do where nothing names a server", function()
    local code, _, errors = worker.lunastalk("put", "noop", { cwd = dir })
    assert.equal(69, code)
    assert.equal("lunastalk put: 127.0.0.1:11300: connection refused; `lunastalk dev` starts a beanstalkd for this "
      .. "project, --beanstalkd names another\n", errors)
  end)

  it("names the server's limit for a body", function()
    local code, _, errors = put("noop", '"' .. ("x"):rep(66000) .. '"')
    assert.equal(1, code)
    assert.matches("its 66024 bytes are more than the 65535 that 127.0.0.1:%d+ takes", errors)
  end)

  it("says that the server is draining", function()
    local draining = beanstalkd.start { unix = true }
    draining.process:kill(signal.SIGUSR1)
    wait.eventually(5, function()
      return draining:client():stats().draining == "true"
    end, "draining")
    local code, _, errors = put("noop", { to = draining.address })
    assert.equal(1, code)
    assert.matches("DRAINING", errors)
    draining:stop()
  end)

  it("fails when the outcome cannot be written", function()
    local code, _, errors = with_stdout ">/dev/full"
    assert.equal(1, code)
    assert.matches("cannot write the output: No space left on device", errors)
  end)

  it("never writes into a connection what a closed stdout should get", function()
    local code, _, errors = with_stdout ">&-"
    assert.equal(1, code)
    assert.matches("cannot write the output", errors)
    assert.equal(2, client:jobs("output").ready)
  end)
end)

describe("put and a server that misbehaves", function()
  -- Runs put against `script(connection)`; returns exit code and stderr.
  local function against(script, ...)
    local listener = fake.listen()
    local argv = { worker.built "lunastalk", "put", "--beanstalkd", listener.address, ... }
    local child = process.spawn(argv, { cwd = dir })
    local connection = listener:accept()
    connection:expect_line "^stats$"
    script(connection, child)
    return child:wait(15), child:output()
  end

  it("gives up on garbage", function()
    local code, output = against(function(connection)
      connection:send "HTTP/1.1 400 Bad Request\r\n\r\n"
    end, "noop")
    assert.equal(69, code)
    assert.matches("127.0.0.1:%d+: an answer that is not beanstalkd's", output)
  end)

  it("reads answers that drip", function()
    local code, output = against(function(connection)
      connection:drip(fake.stats())
      connection:expect_line "^put 1024 0 60 24$"
      connection:drip "INSERTED 18446744073709551615\r\n"
      connection:expect_line "noop"
      connection:expect_line "^stats%-tube default$"
      connection:drip "NOT_FOUND\r\n"
    end, "noop")
    assert.equal(0, code)
    assert.matches("as job 18446744073709551615 into", output)
  end)

  it("says that the outcome is not known when the connection is lost", function()
    local code, output = against(function(connection)
      connection:send(fake.stats())
      connection:expect_line "^put "
      connection:reset()
    end, "noop")
    assert.equal(69, code)
    assert.matches("whether the job was put is not known", output)
  end)

  it("gives up on a server that stands still", function()
    server:pause()
    local code, _, errors = put("noop", { to = server.address })
    server:continue()
    assert.equal(69, code)
    assert.equal(("lunastalk put: %s: no reply in time\n"):format(server.address), errors)
  end)

  it("says what was buried for want of memory", function()
    local code, output = against(function(connection)
      connection:send(fake.stats())
      connection:expect_line "^put "
      connection:send "BURIED 5\r\n"
    end, "noop")
    assert.equal(1, code)
    assert.matches("keeps it buried as job 5", output)
  end)
end)

describe("put --from", function()
  it("puts every line as it stands", function()
    local file = temp.write(dir .. "/jobs.jsonl", '{"job":"a.b", "data": [ 1 ]}\n\n  \n{"job":"c"}\r\n{"job":"d"}')
    local code, output, errors = put("--from", file, "--tube", "file", "--priority", "7")
    assert.equal(0, code)
    assert.equal("accepted 3 of 3 into tube file (priority 7, delay 0 s, ttr 60 s)\n", output)
    assert.equal("lunastalk put: warning: nobody watches tube file\n", errors)
    client:watch "file"
    local bodies = {}
    for i = 1, 3 do
      local id, body = client:reserve(0)
      bodies[i] = body
      client:delete(id)
    end
    client:ignore "file"
    assert.same({ '{"job":"a.b", "data": [ 1 ]}', '{"job":"c"}', '{"job":"d"}' }, bodies)
  end)

  it("counts exactly and names the lines that were not accepted", function()
    local text = lines(300, function(i)
      return i == 17 and '{"job":"Bad"}' or i == 200 and '{"job":"noop","data":"' .. ("x"):rep(66000) .. '"}' or nil
    end):gsub("%f[^\n]\n", '\n{"job":"noop"}\n')
    local code, output, errors = put("--from", "-", "--tube", "counted", { stdin = text })
    assert.equal(1, code)
    assert.matches("^accepted 298 of 300 into tube counted ", output)
    assert.matches('line 17: "job" is no handler\'s name[^\n]*\n', errors)
    assert.matches("line 200: its 66024 bytes are more than the 65535 ", errors)
    assert.equal(298, client:jobs("counted").ready)
  end)

  it("shows the first twenty reasons", function()
    local code, output, errors = put("--from", "-", "--tube", "none", { stdin = ("42\n"):rep(30) })
    assert.equal(1, code)
    assert.matches("^accepted 0 of 30 into tube none ", output)
    assert.equal(20, select(2, errors:gsub("line %d+: it is an integer, not an object", "")))
    assert.matches("and 10 lines more\n$", errors)
  end)

  it("escapes what a line smuggles into a reason", function()
    local _, _, errors = put("--from", "-", { stdin = '{"job":"x"} \27[2J\n' })
    assert.matches("^line 1: not JSON: ", errors)
    assert.is_nil(errors:find("\27", 1, true))
  end)

  it("takes lines of many megabytes and says that one is too long", function()
    local large = beanstalkd.start { max_job_size = 20000000 }
    local body = '{"job":"noop","data":"' .. ("x"):rep(10000000) .. '"}'
    local code, output, errors = put("--from", "-",
      { to = large.address, stdin = body .. "\n" .. ("y"):rep(70 * 1024 * 1024) .. '\n{"job":"noop"}\n' })
    assert.equal(1, code)
    assert.matches("^accepted 2 of 3 ", output)
    assert.matches("line 2: longer than 64 MB\n", errors)
    local id, found = large:client():peek_state("ready", "default")
    assert.is_true(id ~= nil and found == body)
    large:stop()
  end)

  it("puts what drips through a pipe as it comes", function()
    local fifo = dir .. "/fifo"
    local child
    assert(os.execute("mkfifo " .. fifo))
    child = process.spawn({ "sh", "-c", 'cat fifo | "$0" put --from - --tube drip --beanstalkd "$1"',
      worker.built "lunastalk", server.address }, { cwd = dir })
    local pipe = assert(io.open(fifo, "w"))
    for i = 1, 3 do
      pipe:write '{"job":"no'
      pipe:flush()
      pipe:write 'op"}\n'
      pipe:flush()
      wait.eventually(5, function()
        return client:jobs("drip").ready == i
      end, "job " .. i)
    end
    pipe:close()
    assert.equal(0, child:wait())
    assert.matches("accepted 3 of 3", child:output())
  end)

  it("tells apart what was accepted, what is not known and what was not sent", function()
    local listener = fake.listen()
    local child = process.spawn({ worker.built "lunastalk", "put", "--beanstalkd", listener.address, "--from", "-" },
      { cwd = dir, stdin = lines(5000), apart = true })
    local connection = listener:accept()
    connection:expect_line "^stats$"
    connection:send(fake.stats())
    for i = 1, 3 do
      connection:expect_line "^put "
      connection:expect_line "noop"
      connection:send(("INSERTED %d\r\n"):format(i))
    end
    for _ = 4, 10 do
      connection:expect_line "^put "
      connection:expect_line "noop"
    end
    connection:reset()
    assert.equal(69, child:wait())
    local accepted = tonumber(child:output():match "^accepted (%d+) of %d+ into")
    local first, last = child:errors():match "lines (%d+) to (%d+): sent, but whether they were accepted is not known\n"
    local unsent = child:errors():match "line (%d+) and all behind it: not sent\n"
    assert.matches("lunastalk put: 127.0.0.1:%d+: [^\n]+\n", child:errors())
    assert.is_true(accepted <= 3)
    assert.equal(accepted + 1, tonumber(first))
    assert.is_true(tonumber(last) >= 10)
    assert.equal(tonumber(last) + 1, tonumber(unsent) or 5001)
  end)

  it("says which file it cannot read, and connects to nothing", function()
    local code, _, errors = put("--from", "missing", { to = NOWHERE })
    assert.equal(1, code)
    assert.equal("lunastalk put: missing: No such file or directory\n", errors)
    code, _, errors = put("--from", dir)
    assert.equal(1, code)
    assert.matches("Is a directory", errors)
  end)

  it("prints the counts as JSON", function()
    local _, output = put("--from", "-", "--json", "--tube", "json", { stdin = '{"job":"a"}\n{}\n' })
    assert.same({ tube = "json", accepted = 1, refused = 1, unknown = 0 }, cjson.decode(output))
  end)

  it("draws its progress on a terminal only", function()
    temp.write(dir .. "/many", lines(2000))
    local command = ("exec '%s' put --from many --beanstalkd %s"):format(worker.built "lunastalk", server.address)
    local code, output = process.run({ "script", "-qec", command, "/dev/null" }, { cwd = dir })
    assert.equal(0, code)
    assert.matches("\r%[[#.]+%] +%d+ %%", output)
    assert.matches("accepted 2000 of 2000", output)
    code, output = process.run({ "sh", "-c", command .. " 2>&1" }, { cwd = dir })
    assert.equal(0, code)
    assert.is_nil(output:find("\r", 1, true))
  end)

end)
