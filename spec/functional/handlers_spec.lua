local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local signal = require "posix.signal"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()
local body = jobs.body
local ADDRESS = server.address:gsub("%p", "%%%0")

-- The handlers of one line each: name → what its function(job) does.
local ONE_LINE = {
  returns_nothing = "",
  returns_nil = "return nil",
  returns_true = "return true",
  returns_true_and_more = "return true, 'unused'",
  returns_false = "return false",
  returns_false_reason = "return false, 'no stock'",
  returns_false_table = "return false, { code = 7 }",
  returns_nil_reason = "return nil, 'no stock'",
  raises_text = "error 'no luck'",
  raises_nil = "error(nil)",
  raises_empty = "error({})",
  raises_table = "error { code = 7, list = { 1, 2 } }",
  raises_number = "error(42)",
  raises_boolean = "error(false)",
  raises_function = "error(print)",
  raises_named = "error(setmetatable({}, { __tostring = function() return 'named' end }))",
  raises_raising = "error(setmetatable({}, { __tostring = function() error 'inner' end }))",
  raises_tostring_table = "error(setmetatable({}, { __tostring = function() return {} end }))",
  raises_index = "error(setmetatable({}, { __index = function() error 'inner' end, __metatable = 1 }))",
  raises_deep = "return job.data.a.b",
  raises_long = "error(('x'):rep(1e6))",
  raises_lines = "error('one\\r\\ntwo\\27[31m\\0three\\226\\128\\168four\\255')",
  raises_in_lib = "require('ledger').book(nil) return true",
  raises_assert = "assert(io.open 'no such file') return true",
  raises_in_json = "return 'x' .. require('lunastalk.json').encode { print }",
  raises_in_coroutine = "coroutine.wrap(function() error 'within' end)() return true",
  raises_caught = "local _, why = xpcall(require('ledger').book, debug.traceback) error(why, 0)",
  raises_in_library = "require('cjson').encode(print) return true",
  requires_packaged = "require 'luasql.mysql'",
  requires_misspelt = "require 'leger'",
  requires_unknown = "require 'no_such.module'",
  counts = "",
  returns_zero = "return 0",
  returns_text = "return 'fine'",
  returns_table = "return { 1, 2 }",
  releases = "job:release { delay = 600 } error 'not reached'",
  releases_number = "job:release(601)",
  releases_now = "if not job.data.released then job.data.released = true end job:release()",
  releases_caught = "pcall(job.release, job, { delay = 602 }) return false, 'caught'",
  releases_wrongly = "job:release { dleay = 1 }",
  buries = "job:bury 'not today' error 'not reached'",
  buries_plainly = "job:bury()",
  buries_caught = "pcall(function() job:bury 'caught' end) return true",
  buries_first = "pcall(job.bury, job, 'first') job:release()",
  buries_dotted = "job.bury('no colon')",
}

local handlers = {
  ["note.lua"] = "return { process = function(job) print('note', job.data.n) end }",
  ["fields.lua"] = [[
    local json = require "lunastalk.json"
    local log = require "lunastalk.log"
    return function(job)
      log.notice("fields", { all = json.encode { id = job.id, name = job.name, server = job.server,
        data = job.data, tube = job.tube, attempt = job.attempt, trace = job.envelope.trace } })
    end]],
  ["remembers.lua"] = [[
    local before
    return function(job)
      local old = before
      before = job
      print(old and select(2, pcall(old.release, old)) or "first")
    end]],
  ["email/welcome.lua"] = [[
    local function deep() error "from below" end
    return function() deep() return true end]],
  ["log.lua"] = [[
    local log = require "lunastalk.log"
    return function(job)
      for _, level in ipairs { "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" } do
        log[level]("level {level}", { level = level })
        log.log(level, "by name")
      end
      log.info("{to} and {nobody} got {list}",
        { to = "bob\r\nINJECTED", list = { 1, 2 }, n = 12345678901234567, yes = true })
      log.info("odd {id}", { id = "overridden?", ["a key"] = 'a "quoted" value' })
      log.info("plain\27[31m text\0")
      log.info(nil)
      log.info({ a = 1 }, {})
    end]],
  ["log_wrongly.lua"] = [[return function() require("lunastalk.log").info("x", "not a table") end]],
  ["settings.lua"] = [[
    local settings = require "lunastalk.settings"
    return function() print(settings.smtp.host, settings.smtp.port, settings.list[2], settings.yes) end]],
  ["puts.lua"] = [[
    local json = require "lunastalk.json"
    local queue = require "lunastalk.queue"
    return function(job)
      local options = job.data
      if options.big then options.data = { blob = ("x"):rep(options.big) } options.big = nil end
      local id, message, code = queue.put(options)
      print("put " .. json.encode { id = id, message = message, code = code })
      if not id then return false, message end
    end]],
  ["puts_many.lua"] = [[
    local json = require "lunastalk.json"
    local queue = require "lunastalk.queue"
    return function(job)
      local list = {}
      for i = 1, job.data.count do
        list[i] = { job = "note", data = { n = i }, tube = job.data.tube }
      end
      for place, options in pairs(job.data.others or {}) do
        if options.big then options.data, options.big = ("x"):rep(options.big), nil end
        list[tonumber(place)] = options
      end
      local ids, message, code, put, count = queue.put_many(list)
      local known = ids or put
      print("many " .. json.encode { count = count or #ids, first = known[1], last = known[job.data.count],
        message = message, code = code })
    end]],
  ["lib/ledger.lua"] = "local ledger = {}\nfunction ledger.book(sum)\n  error('no sum')\nend\nreturn ledger",
  ["ping.lua"] = "return function(job) print('ping ' .. job.data.n) end",
  ["pong.lua"] = "return function(job) io.write('pong ', job.data.n, '\\n') end",
  ["pang.lua"] = "return function(job) io.stderr:write('pang ' .. job.data.n) end",
  ["shell.lua"] = "return function(job) os.execute('echo shell ' .. job.data.n) end",
}
for name, code in pairs(ONE_LINE) do
  handlers[name .. ".lua"] = "return function(job) " .. code .. " end"
end

local w = worker.start {
  server = server, jobs = handlers,
  config = {
    worker = { tubes = { "default", "other" } },
    log = { { to = "stdout", level = "debug" } },
    settings = { smtp = { host = "mail.example", port = 2525 }, list = { "a", "b" }, yes = true },
  },
}
w:log "handlers are loaded"

local function put(name, data, options)
  return (assert(queue:put(body(name, data), options)))
end

-- The records with that job's id, but for the first.
local function records(id)
  local found = {}
  for line in w:output():gmatch "[^\n]+" do
    if line:find(" id=" .. id .. "%f[^%d]") and not line:find("debug %S+: job found server=" .. ADDRESS) then
      table.insert(found, line)
    end
  end
  return found
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

local function succeeds(name, options)
  local id = put(name, nil, options)
  jobs.gone(queue, id)
  local record = w:log("\n([^\n]*job finished [^\n]* id=" .. id .. " [^\n]*)\n")
  assert.matches("^%S+Z debug " .. name .. ": job finished server=" .. ADDRESS .. " id=" .. id
    .. " runtime=%d+%.%d+ job=" .. name .. " workerId=%S+ instanceHash=%x+$", record)
  return id
end

-- Returns the record of the failure.
local function failed(id)
  jobs.becomes(queue, id, "buried")
  return w:log("\n([^\n]* error [^\n]* id=" .. id .. " [^\n]*)\n")
end

describe("a handler that", function()
  for _, name in ipairs { "returns_nothing", "returns_nil", "returns_true", "returns_true_and_more" } do
    it(name .. " succeeded", function()
      local id = succeeds(name)
      assert.equal(1, #records(id))
    end)
  end

  for name, reason in pairs {
    returns_false = "returned false",
    returns_false_reason = "no stock",
    returns_false_table = '{"code":7}',
    returns_nil_reason = "no stock",
    raises_text = "jobs/raises_text.lua:1: no luck",
    raises_nil = "nil",
    raises_empty = "{}",
    raises_table = '{"code":7,"list":[1,2]}',
    raises_number = "jobs/raises_number.lua:1: 42",
    raises_boolean = "false",
    raises_function = "function: builtin",
    raises_named = "named",
    raises_raising = "(a table that cannot be shown)",
    raises_tostring_table = "(a table that cannot be shown)",
    raises_deep = "jobs/raises_deep.lua:1: attempt to index field 'a' (a nil value)",
    raises_lines = "one\\r\\ntwo\\u001b[31m\\u0000three\\u2028four\\xff server=",
    raises_in_lib = "jobs/lib/ledger.lua:3: no sum",
    raises_assert = "jobs/raises_assert.lua:1: no such file: No such file or directory",
    raises_in_json = "jobs/raises_in_json.lua:1: a function cannot be encoded as JSON",
    raises_in_coroutine = "jobs/raises_in_coroutine.lua:1: within",
    raises_caught = "jobs/lib/ledger.lua:3: no sum server=",
    raises_in_library = "jobs/raises_in_library.lua:1: ",
    releases_wrongly = "jobs/releases_wrongly.lua:1: job:release: there is no option dleay: there is delay",
    buries_dotted = "call it with a colon: job:bury()",
  } do
    it(name .. " failed", function()
      local record = failed(put(name))
      assert.truthy(record:find(" error " .. name .. ": job failed and was buried: ", 1, true), record)
      assert.truthy(record:find("buried: " .. reason, 1, true) or record:find(reason, 1, true), record)
      if name:find "^raises" then
        assert.matches("\\nstack traceback:.*\\tjobs/" .. name .. "%.lua:1: in function <[^<]*$", record)
        assert.is_nil(record:find("lunastalk.dispatch", 1, true))
      end
    end)
  end

  it("raises a megabyte is cut short", function()
    local record = failed(put "raises_long")
    assert.is_true(#record < 32 * 1024)
    assert.matches("x… %(1%d+ bytes%)", record)
  end)

  it("raises an odd object failed all the same", function()
    failed(put "raises_index")
  end)

  for name, value in pairs { returns_zero = "0", returns_text = '"fine"', returns_table = "%[1,2%]" } do
    it(name .. " succeeded, with one warning", function()
      succeeds(name)
      succeeds(name)
      assert.equal(1, count(w:output(), " warning " .. name .. ": returned " .. value
        .. ", which counts as success: a handler returns true, or false and a reason"))
    end)
  end

  for name, delay in pairs { releases = 600, releases_number = 601, releases_caught = 602, releases_now = 1 } do
    it(name .. " puts the job back, with its priority", function()
      local id = put(name, {}, { priority = 77, tube = "other" })
      local stats = jobs.becomes(queue, id, "delayed")
      assert.same({ delay, 77, 0, "other" }, { stats.delay, stats.pri, stats.buries, stats.tube })
      w:log(" info " .. name .. ": job released, to run again in " .. delay .. " s server=%S+ id=" .. id
        .. " tube=other attempt=1 runtime=")
      assert.is_nil(table.concat(records(id)):find " error ")
      queue:delete(id)
      wait.eventually(5, function() -- the one of a second may run meanwhile
        return not queue:stats_job(id) or queue:delete(id)
      end, "the end of the job")
    end)
  end

  for name, reason in pairs {
    buries = "not today", buries_plainly = "buried by its handler", buries_caught = "caught", buries_first = "first",
  } do
    it(name .. " buries the job, with its priority", function()
      local id = put(name, nil, { priority = 77 })
      assert.truthy(failed(id):find(name .. ": job buried by its handler: " .. reason .. " server=", 1, true))
      assert.equal(77, queue:stats_job(id).pri)
    end)
  end

  it("keeps a job's methods beyond its end gets an error", function()
    put "remembers"
    put "remembers"
    w:log "remembers: job:release: this job is over "
  end)
end)

describe("a failure", function()
  it("is logged with all that one needs, the traceback and the commands to look and to run it again", function()
    local id = put("email.welcome", nil, { tube = "other" })
    local record = failed(id)
    local command, again = record:match(
      "^%S+Z error email%.welcome: job failed and was buried: jobs/email/welcome%.lua:1: from below server="
      .. ADDRESS .. " id=" .. id .. ' tube=other attempt=1 runtime=0%.%d+ '
      .. "peak_memory=%d%d%d%d%d+ "
      .. [[exception="jobs/email/welcome%.lua:1: from below\nstack ]]
      .. [[traceback:[^"]*\n\tjobs/email/welcome%.lua:2: in function <jobs/email/welcome%.lua:2>" ]]
      .. 'show="([^"]+)" again="([^"]+)" job=email%.welcome workerId=')
    assert.truthy(command, record)
    local code, output = process.run({ "sh", "-c", command }, {
      env = { PATH = worker.built "":sub(1, -2) .. ":" .. os.getenv "PATH" }, cwd = w.dir,
    })
    assert.equal(0, code)
    assert.matches("email.welcome", output)
    assert.equal((command:gsub("peek", "kick")), again)
  end)

  it("deletes the job where the envelope says error.bury: false", function()
    for _, name in ipairs { "raises_text", "returns_false", "buries" } do
      local id = assert(queue:put(('{"job":"%s","error":{"bury":false}}'):format(name)))
      jobs.gone(queue, id)
      local record = w:log("\n([^\n]* error [^\n]* id=" .. id .. " [^\n]*)\n")
      assert.matches("deleted", record)
      assert.is_nil(record:find "show=")
    end
    failed(assert(queue:put '{"job":"returns_false","error":{"bury":true}}'))
  end)

  it("may be kicked, and fails anew as the first attempt", function()
    local id = put "returns_false"
    failed(id)
    queue:kick_job(id)
    wait.eventually(10, function()
      return queue:stats_job(id).buries == 2
    end, "the second failure")
    w:log("id=" .. id .. " [^\n]*\n.* id=" .. id .. " tube=default attempt=1 ")
  end)
end)

describe("a module that is not there", function()
  for name, hint in pairs {
    requires_packaged = "it may be in the Debian package lua-sql-mysql",
    requires_misspelt = "did you mean 'ledger', from jobs/lib?",
    requires_unknown = "perhaps: luarocks --lua-version 5.1 install no_such",
  } do
    it("is named with where it was looked for and what may help: " .. name, function()
      local record = failed(put(name))
      assert.matches("buried: jobs/" .. name .. "%.lua:1: module '[%l_.]+' not found:\\n", record)
      assert.matches("\\n\\tno file 'jobs/lib/[%l_/]+%.lua'\\n", record)
      assert.truthy(record:find("\\n\\t" .. hint .. " server=", 1, true), record)
    end)
  end
end)

describe("integers above 2^53", function()
  it("are warned of once per handler, by their place", function()
    for n = 1, 3 do
      jobs.gone(queue, queue:put(('{"job":"counts","data":{"order":{"id":9007199254740993},"n":%d}}'):format(n)))
    end
    local pattern = " warning counts: data%.order%.id is an integer above 2%^53, which Lua does not hold exactly: "
      .. "let the producer send it as a text server="
    w:log(pattern)
    assert.equal(1, count(w:output(), pattern))
  end)
end)

describe("a job has", function()
  it("its id, name, server, data, envelope, tube and attempt", function()
    for _, tube in ipairs { "default", "other" } do
      local id = assert(queue:put('{"job":"fields","data":{"n":9007199254740991,"e":[]},"trace":["kept"]}',
        { tube = tube }))
      local text = w:log('notice fields: fields all="({[^\n]*})" server=%S+ id=' .. id):gsub('\\"', '"')
      local all = cjson.decode(text)
      assert.matches('"n":9007199254740991', text)
      assert.same({ id, "fields", server.address, tube, 1, { "kept" } },
        { all.id, all.name, all.server, all.tube, all.attempt, all.trace })
    end
  end)

  it("an empty table as data when there is none", function()
    for _, data in ipairs { "", ',"data":{}', ',"data":null', ',"data":[]' } do
      local id = assert(queue:put('{"job":"fields"' .. data .. "}"))
      w:log('all="[^\n]*data\\":[%[{][%]}],[^\n]*" server=%S+ id=' .. id .. "%f[%D]")
    end
  end)

  it("the settings of config.yml within reach", function()
    put "settings"
    w:log "settings: mail.example\\t2525\\tb\\ttrue "
  end)
end)

describe("lunastalk.log", function()
  it("writes every level, placeholders and fields, one line a record", function()
    local id = succeeds "log"
    local lines = records(id)
    for i, level in ipairs { "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" } do
      assert.matches("^%S+Z " .. level .. " log: level " .. level .. " server=", lines[2 * i - 1])
      assert.matches("^%S+Z " .. level .. " log: by name server=", lines[2 * i])
    end
    local where = " server=" .. server.address .. " id=" .. id
    local function ends(line, expected)
      assert.equal(" log: " .. expected .. where .. " job=log ", line:match("( log: .-)workerId="))
    end
    ends(lines[17], "bob\\r\\nINJECTED and {nobody} got [1,2] n=12345678901234568 yes=true")
    assert.matches('log: odd overridden%? "a key"="a \\"quoted\\" value" ', lines[18])
    ends(lines[19], "plain\\u001b[31m text\\u0000")
    ends(lines[20], "nil")
    ends(lines[21], '{"a":1}')
    assert.matches("debug log: job finished", lines[22])
  end)

  it("takes a table as context only", function()
    assert.matches("jobs/log_wrongly.lua:1: the context of a log record is a table, not a string",
      failed(put "log_wrongly"))
  end)
end)

describe("lunastalk.queue.put", function()
  local function put_from_handler(options)
    local mark = w:mark()
    local id = put("puts", options)
    return cjson.decode(w:log("puts: put ({[^\n]*}) stream=stdout server=%S+ id=" .. id .. "%f[%D]", 10, mark)), id
  end

  it("puts with the defaults", function()
    local answer = put_from_handler { job = "note", data = { n = "default" } }
    w:log("note: note\\tdefault stream=stdout server=%S+ id=" .. answer.id)
    jobs.gone(queue, answer.id)
  end)

  it("puts as it is told", function()
    local answer = put_from_handler {
      job = "email.welcome", data = { list = { 1, 2 } }, tube = "elsewhere", priority = 7, delay = 1000, ttr = 90,
      success = { callback = "https://x" }, error = { bury = false }, retry = { max = 2 }, timeout = 5, id = "o:1",
    }
    local stats = queue:stats_job(answer.id)
    assert.same({ "elsewhere", 7, 1000, 90, "delayed" }, {
      stats.tube, stats.pri, stats.delay, stats.ttr, stats.state,
    })
    assert.same({
      job = "email.welcome", data = { list = { 1, 2 } }, success = { callback = "https://x" },
      error = { bury = false }, retry = { max = 2 }, timeout = 5, id = "o:1",
    }, cjson.decode(queue:peek(answer.id)))
  end)

  it("returns nil, a message and a code when the server refuses", function()
    local answer, id = put_from_handler { job = "note", big = 70000 }
    assert.equal("JOB_TOO_BIG", answer.code)
    assert.matches("^its 70033 bytes are more than the 65535 that beanstalkd takes", answer.message)
    assert.matches("its 70033 bytes are more", failed(id))
  end)

  it("raises an error at wrong options", function()
    for options, reason in pairs {
      [{ job = "note", tube = "no blanks" }] = "tube must be a name of at most 200",
      [{ job = "note", tube = "-first" }] = "tube must be",
      [{ job = "note", tube = "" }] = "tube must be",
      [{ job = "../note" }] = "job must be the name of a handler",
      [{ job = "note", priority = -1 }] = "priority must be a whole number from 0 to 4294967295",
      [{ job = "note", ttr = 0 }] = "ttr must be",
      [{ job = "note", delay = 1.5 }] = "delay must be",
      [{ job = "note", tbue = "x" }] = "there is no option tbue; did you mean tube?",
      [{ data = {} }] = "queue.put: a job is a table with the name of its handler",
    } do
      assert.truthy(failed(put("puts", options)):find(reason, 1, true))
    end
  end)

  it("may be refused for as long as the server drains", function()
    local own = beanstalkd.start()
    local other = worker.start { server = own, jobs = { ["puts.lua"] = handlers["puts.lua"] } }
    local client = own:client()
    local id = client:put(body("puts", { job = "puts", tube = "elsewhere" }), { delay = 1 })
    own.process:kill(signal.SIGUSR1)
    wait.eventually(5, function()
      return select(2, client:put "x") == "DRAINING"
    end, "a server that drains")
    assert.equal("DRAINING", cjson.decode((other:log "put ({[^\n]*})")).code)
    jobs.becomes(client, id, "buried")
    assert.equal(0, (other:stop()))
  end)
end)

describe("lunastalk.queue.put_many", function()
  local function put_many(data)
    local mark = w:mark()
    local id = put("puts_many", data)
    return cjson.decode(w:log("puts_many: many ({[^\n]*}) stream=stdout server=%S+ id=" .. id .. "%f[%D]", 10, mark))
  end

  -- What stands in the tube: the data of each, by its id, and how many.
  local function bodies(tube)
    local found, all = {}, 0
    local client = server:client()
    client:watch(tube)
    client:ignore "default"
    while true do
      local id, bytes = client:reserve(0)
      if not id then
        return found, all
      end
      found[id], all = cjson.decode(bytes).data, all + 1
      client:delete(id)
    end
  end

  it("puts all, in the order of the list", function()
    local answer = put_many { count = 1234, tube = "many" }
    assert.equal(1234, answer.count)
    assert.is_nil(answer.message)
    local found, all = bodies "many"
    assert.equal(1234, all)
    for i = 1, 1234 do
      assert.equal(i, found[("%d"):format(answer.first + i - 1)].n)
    end
    assert.equal(tostring(answer.first + 1233), answer.last)
  end)

  it("says which were put when one is refused, and sends no more", function()
    local answer = put_many { count = 500, tube = "refused", others = { ["150"] = { job = "note", big = 70000 } } }
    assert.equal("JOB_TOO_BIG", answer.code)
    assert.matches("^job 150 of 500: its 70024 bytes are more than the 65535 that beanstalkd takes", answer.message)
    local _, all = bodies "refused"
    assert.equal(199, all)
    assert.equal(199, answer.count)
    assert.is_nil(answer.last)
  end)

  it("puts none when an option is wrong, whichever it is", function()
    local record = failed(put("puts_many", { count = 300, tube = "wrong", others = { ["299"] = { job = "../x" } } }))
    assert.truthy(record:find("jobs/puts_many.lua:12: queue.put_many: job 299 of 300: job must be the name", 1, true))
    assert.equal(0, (select(2, bodies "wrong")))
  end)
end)

describe("what a handler prints", function()
  it("is logged line by line with its job's id", function()
    local of, mark = {}, w:mark()
    local names = { "ping", "pong", "pang", "shell" }
    for n = 1, 200 do
      local name = names[n % 4 + 1]
      of[name .. " " .. n] = { name, put(name, { n = n }) }
    end
    for _, case in pairs(of) do
      jobs.gone(queue, case[2])
    end
    succeeds "returns_nothing" -- behind them in the log
    local seen = 0
    for level, channel, line, stream, id in
      w:output():sub(mark):gmatch "Z (%l+) ([%l_]+): (%l+ %d+) stream=(%l+) server=%S+ id=(%d+) job=%l+ workerId=" do
      local expected = channel == "pang" and { "warning", "stderr" } or { "info", "stdout" }
      assert.same(expected, { level, stream })
      assert.same(of[line], { channel, id })
      seen = seen + 1
    end
    assert.equal(200, seen)
  end)
end)

describe("the log", function()
  it("has one line a record and no control character", function()
    assert.equal(0, (w:stop()))
    local text = w:output()
    assert.is_nil(text:find "[%z\1-\9\11-\31\127]")
    assert.is_nil(text:find("\226\128\168", 1, true))
    for line in text:gmatch "[^\n]+" do
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ %l+ [%l%d_.]+: ", line)
    end
    assert.is_nil(text:find "executor died")
  end)
end)
