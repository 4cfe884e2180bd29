local beanstalkd = require "spec.support.beanstalkd"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local MILLION = 1000 * 1000

local server = beanstalkd.start { max_job_size = MILLION }
local queue = server:client()
local body = jobs.body

local function escaped(text)
  return (text:gsub("%p", "%%%0"))
end

local w = worker.start {
  server = server,
  jobs = {
    ["_bootstrap.lua"] = "print 'bootstrap runs' package.loaded.from_bootstrap = { value = 42 }",
    ["ok.lua"] = "local log = require 'lunastalk.log' return function(job) log.info('ran {n}', job.data) end",
    ["email/welcome.lua"] = "print 'welcome loads' return function() end",
    ["lib/money.lua"] = "local money = {} function money.twice(n) return 2 * n end return money",
    ["lib/deep/init.lua"] = "return 'deep'",
    ["_middleware_like.lua"] = "error 'not a handler, not loaded'",
    [".hidden.lua"] = "error 'not loaded either'",
    ["readme.txt"] = "not Lua",
    ["uses_lib.lua"] = [[
      local money, deep, boot = require "money", require "deep", require "from_bootstrap"
      return { process = function() print(money.twice(4), deep, boot.value) end } ]],
    ["reads_global.lua"] = "return function()\n  return misspelt\nend",
    ["sets_global.lua"] = "return function()\n  leaked = 1\nend",
  },
}
w:log "handlers are loaded"

-- The record of a job's failure.
local function failure(id)
  return w:log("\n(%S+ error [^\n]* id=" .. id .. " [^\n]*)\n")
end

local function runs()
  jobs.gone(queue, queue:put(body("ok", { n = 1 })))
end

-- Puts a body, which must be buried as it is, with the reason in the log; the next job runs.
local function buried(bytes, reason)
  local id = queue:put(bytes)
  jobs.becomes(queue, id, "buried")
  assert.is_true(bytes == queue:peek(id))
  local record = failure(id)
  assert.truthy(record:find(reason, 1, true), record)
  assert.truthy(record:find(" attempt=1 runtime=0.000000 show=\"lunastalk peek --id " .. id, 1, true), record)
  runs()
  queue:delete(id)
end

-- A body whose job must succeed.
local function succeeds(bytes)
  local id = queue:put(bytes)
  jobs.gone(queue, id)
  assert.is_nil(w:output():find(" error [^\n]* id=" .. id .. " "))
end

describe("a body that is no envelope is buried:", function()
  for name, case in pairs {
    ["an empty one"] = { "", "its body is no envelope: the body is empty" },
    ["a binary one"] = { "\0\1\2\255\254 \r\n.\r\n\127", "its body is no envelope: not JSON" },
    ["65,535 bytes"] = { ("x"):rep(65535), "not JSON" },
    ["no JSON"] = { "send_email to=bob", "not JSON" },
    ["bytes behind it"] = { body "ok" .. "x", "not JSON" },
    ["two of them"] = { body "ok" .. body "ok", "not JSON" },
    ["a number"] = { "42", "it is an integer, not an object" },
    ["an empty list"] = { "[]", "it is a list, not an object" },
    ["null"] = { "null", "it is null, not an object" },
    ["no name"] = { '{"data": {}}', 'it has no "job", the handler\'s name' },
    ["a null name"] = { '{"job": null}', '"job" is null, not a handler\'s name' },
    ["a number as name"] = { '{"job": 7}', '"job" is an integer, not a handler\'s name' },
    ["an empty name"] = { '{"job": ""}', '"job" is no handler\'s name' },
    ["a NUL in the name"] = { '{"job": "ok\\u0000"}', '"job" is no handler\'s name' },
    ["a path as name"] = { '{"job": "../../etc/passwd"}', '"job" is no handler\'s name' },
    ["a metamethod as name"] = { '{"job": "__index"}', '"job" is no handler\'s name' },
    ["_bootstrap"] = { '{"job": "_bootstrap"}', '"job" is no handler\'s name' },
    ["what is below lib"] = { '{"job": "lib.money"}', '"job" is no handler\'s name' },
    ["a name with line breaks"] = { '{"job": "ok\\r\\nerror"}', '"job" is no handler\'s name' },
    ["a million ["] = { ("["):rep(MILLION), "not JSON: nested deeper than 64 levels" },
    ["duplicate keys"] = { '{"job": "ok", "job": "ok"}', "duplicate" },
    ["duplicate keys deep inside"] = { '{"job": "ok", "data": [{"a": 1, "a": 2}]}', "duplicate" },
    ["bad UTF-8"] = { '{"job": "ok", "data": "\255"}', "unable to decode byte 0xff" },
    ["success as a text"] = { '{"job": "ok", "success": "http://x"}', '"success" is a string, not an object' },
    ["a filled list as error"] = { '{"job": "ok", "error": [1]}', '"error" is a list, not an object' },
    ["error.bury as a text"] = { '{"job": "ok", "error": {"bury": "no"}}', '"error.bury" is a string, not true' },
    ["a callback to a file"] = { '{"job": "ok", "success": {"callback": "file:///x"}}', "no http or https URL" },
    ["eleven callbacks"] = {
      '{"job": "ok", "error": {"callback": ["http://x"' .. (',"http://x"'):rep(10) .. "]}}", "more than 10 URLs",
    },
    ["an id with a blank"] = { '{"job": "ok", "id": "a b"}', '"id" is no string of 1 to 128' },
    ["retries without end"] = { '{"job": "ok", "retry": {"max": 1001}}', '"retry.max" is no whole number' },
  } do
    it(name, function()
      buried(case[1], case[2])
    end)
  end
end)

describe("an envelope", function()
  it("may be what PHP makes of empty arrays", function()
    succeeds '{"job":"ok","data":[],"success":[],"error":[],"retry":[]}'
    succeeds '{"job":"ok","data":null,"success":null,"error":null,"retry":null,"id":null,"timeout":null}'
  end)

  it("may have callbacks, or empty ones", function()
    succeeds '{"job":"ok","success":{"callback":""},"error":{"callback":null,"bury":true}}'
    succeeds '{"job":"ok","success":{"callback":"https://x/y"},"error":{"callback":["http://x","https://y"]}}'
    succeeds '{"job":"ok","success":{"callback":[]},"error":{"callback":[]}}'
  end)

  it("may have keys that nobody knows, and all that is for later", function()
    succeeds '{"job":"ok","trace":{"a":[1]},"id":"Order:7.a_b-c","retry":{"max":5,"delay":10},"timeout":30}'
    succeeds ' \n{"job":"ok"}\n '
  end)

  it("may be as large as the server allows, and nested 64 deep", function()
    succeeds(body("ok", { blob = ("x"):rep(500 * 1000) }))
    succeeds('{"job":"ok","data":' .. ("["):rep(63) .. ("]"):rep(63) .. "}")
    buried('{"job":"ok","data":' .. ("["):rep(64) .. ("]"):rep(64) .. "}", "nested deeper than 64 levels")
  end)
end)

describe("a name without handler is buried:", function()
  for name, hint in pairs {
    zq_unknown_name = "",
    uses_lob = '; did its producer mean "uses_lib"?',
    ["email.welcom"] = '; did its producer mean "email.welcome"?',
    email = "",
    readme = "",
  } do
    it(name, function()
      buried(body(name, { n = 1 }), 'there is no handler "' .. name .. '"' .. hint .. " server=")
      w:log('%sjob buried: there is no handler "' .. escaped(name) .. '"[^\n]* '
        .. 'handlers="email%.welcome, ok, reads_global, sets_global, uses_lib" job=')
    end)
  end
end)

describe("handlers", function()
  it("may stand in directories, use lib/ and what _bootstrap.lua left", function()
    local id = queue:put(body "uses_lib")
    w:log("uses_lib: 8\\tdeep\\t42 stream=stdout [^\n]*id=" .. id .. "%f[%D]")
    succeeds(body "email.welcome")
    assert.matches("info jobs: bootstrap runs", w:output())
    assert.matches("info worker: 5 handlers are loaded", w:output())
  end)

  it("get a strict environment", function()
    for name, reason in pairs {
      reads_global = "jobs/reads_global.lua:2: variable misspelt is not defined",
      sets_global = "jobs/sets_global.lua:2: assignment to the global variable leaked: declare it local",
    } do
      local id = queue:put(body(name))
      jobs.becomes(queue, id, "buried")
      assert.matches("job failed and was buried: " .. escaped(reason), failure(id))
    end
  end)
end)

describe("a start is refused, with exit code 78 and the file's name, by", function()
  -- What it says; `prepare` is given the project's directory.
  local function refused(files, prepare)
    local dir = worker.project { server = server, jobs = files }
    if prepare then
      prepare(dir .. "/jobs")
    end
    local refusal = worker.start { dir = dir }
    assert.equal(78, (refusal:wait(3)))
    assert.is_nil(refusal:output():find("are loaded", 1, true))
    return (refusal:log "emergency worker: the handlers do not load: ([^\n]*)")
  end

  it("a syntax error", function()
    assert.matches("^jobs/a/bad.lua:2: ", refused { ["a/bad.lua"] = "return function()\n  if then\nend" })
  end)

  it("an error at load", function()
    assert.matches("^jobs/bad.lua:1: no luck", refused { ["bad.lua"] = "error 'no luck'" })
    assert.matches("^jobs/_bootstrap.lua:1: no luck", refused { ["_bootstrap.lua"] = "error 'no luck'" })
    assert.matches("^jobs/bad.lua: .*nothing to show", refused { ["bad.lua"] = "error({ 'nothing to show' })" })
    assert.matches("^jobs/bad.lua:.*no_such_library", refused { ["bad.lua"] = "require 'no_such_library'" })
  end)

  it("a global variable at load", function()
    assert.matches("^jobs/bad.lua:1: .* x: declare it local", refused { ["bad.lua"] = "x = 1 return function() end" })
  end)

  it("a file that returns no handler", function()
    for code, what in pairs {
      [""] = "nothing",
      ["return nil"] = "nil",
      ["return 42"] = "a number %(42%)",
      ["return {}"] = "a table %({}%)",
      ["return { process = 'x' }"] = 'a table %({"process":"x"}%)',
    } do
      assert.matches("^jobs/bad.lua: a handler file returns a function.*returned " .. what,
        refused { ["bad.lua"] = code })
    end
  end)

  it("a FIFO", function()
    assert.matches("^jobs/pipe.lua is a FIFO, not a regular file", refused({}, function(path)
      assert(stat.mkfifo(path .. "/pipe.lua"))
    end))
    assert.matches("jobs/lib/pipe.lua is a FIFO", refused({ ["a.lua"] = "require 'pipe'" }, function(path)
      assert(stat.mkdir(path .. "/lib"))
      assert(stat.mkfifo(path .. "/lib/pipe.lua"))
    end))
  end)

  it("a directory", function()
    assert.matches("^jobs/folder.lua is a directory, not a regular file", refused({}, function(path)
      assert(stat.mkdir(path .. "/folder.lua"))
    end))
  end)

  it("bytecode", function()
    assert.matches("^jobs/byte.lua is bytecode", refused {
      ["byte.lua"] = string.dump(loadstring "return function() end"),
    })
  end)

  it("a name that no job can have", function()
    assert.matches("^jobs/Send%-Mail.lua cannot be a handler", refused { ["Send-Mail.lua"] = "return print" })
  end)

  it("a jobs directory that is none", function()
    local dir = worker.project { server = server, config = { jobs = { path = "elsewhere" } } }
    local refusal = worker.start { dir = dir }
    assert.equal(78, (refusal:wait(3)))
    assert.matches("elsewhere cannot be read: No such file", refusal:output())
  end)
end)

describe("a job's name", function()
  it("reaches no system call but those that move bytes", function()
    local names = { "zq_unknown", "zq_dir.zq_unknown", "../../zq_path", "_zq", "lib.zq_lib", "zq_known.zq_below" }
    local dir = worker.project {
      server = server, config = { worker = { tubes = { "strace" } } },
      jobs = { ["known.lua"] = "return function() end" },
    }
    for _, name in ipairs(names) do
      queue:put(body(name), { tube = "strace" })
    end
    queue:put(body "known", { tube = "strace" })
    local code = process.run({
      "strace", "-f", "-s", "4096", "-o", dir .. "/trace",
      worker.built "lunastalk", "run", "--allow-root", "--max-jobs=" .. #names + 1,
    }, { cwd = dir, env = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" } })
    assert.equal(0, code)
    assert.equal(#names, queue:jobs("strace").buried)

    local moves = { read = true, write = true, writev = true, sendto = true, sendmsg = true, recvmsg = true }
    local seen, calls, opened = 0, 0, 0
    for line in temp.read(dir .. "/trace"):gmatch "[^\n]+" do
      local call = line:match "^%d+%s+([%w_]+)%(" or line:match "<%.%.%. ([%w_]+) resumed"
      calls = calls + 1
      opened = opened + (line:find('"[^"]*jobs/known.lua"') and 1 or 0)
      if line:find("zq_", 1, true) then
        seen = seen + 1
        assert.is_true(moves[call], line)
      end
    end
    assert.is_true(seen >= #names and calls > 100 and opened > 0)
  end)
end)

describe("the worker of this spec", function()
  it("has run through all of it", function()
    assert.equal(0, (w:stop()))
    assert.is_nil(w:output():find "executor died")
  end)
end)
