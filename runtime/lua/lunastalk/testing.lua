--- Testing handlers: runs them as the executor does, in the same Lua state as the spec, without any server.
---
---     local testing = require "lunastalk.testing"
---
---     it("greets", function()
---       testing.perform("greet", { name = "Ada" })
---       assert.succeeded()
---       assert.logged("info", "hello, Ada")
---     end)
---
--- What a job asks of the runtime is noted, and answered as if all were well. After each test everything is forgotten.
local dispatch = require "lunastalk.dispatch"
local fakehost = require "lunastalk.fakehost"
local host = require "lunastalk.host"
local json = require "lunastalk.json"
local loader = require "lunastalk.loader"
local log = require "lunastalk.log"
local rules = require "lunastalk.rules"
local sandbox = require "lunastalk.sandbox"
local text = require "lunastalk.text"

local concat, error, floor, format, gsub, min, next, pcall, rawequal, remove, running, select, sub, tonumber, tostring,
  type, yield = table.concat, error, math.floor, string.format, string.gsub, math.min, next, pcall, rawequal,
  table.remove, coroutine.running, select, string.sub, tonumber, tostring, type, coroutine.yield
local of, sethook = text.of, debug.sethook

local testing = {}

-- In the order of enum outcome_kind of executor/wire.h and of enum policy_outcome of job/policy.h.
local OUTCOMES = { [0] = "succeeded", "failed", "released", "buried", "unavailable" }
-- enum policy_verb
local VERBS = { [0] = "delete", "bury", "release", "retry" }
local UNSET = 2 ^ 32 - 1
local LONGEST_DELAY = 3600 -- POLICY_DELAY_MOST_S
local DRAIN_MOST = 10000

local numbers = {}
for number, name in next, OUTCOMES do
  numbers[name] = number
end

local ATTEMPT = rules.number(1, 1001, 1)

local of_after = {
  attempt = ATTEMPT, retry = rules.of_envelope.retry, delay = rules.number(0, 2 ^ 32 - 1),
  bury = rules.of_envelope.error.bury,
}

local function is_table(value)
  return type(value) == "table", "a table"
end

local function is_text(value)
  return type(value) == "string", "a text"
end

local of_perform = { attempt = ATTEMPT, tube = rules.tube, id = is_text, envelope = is_table }

local function check(what, options, allowed, level)
  local wrong = type(options) ~= "table" and "its options are a table, not " .. of(options, 100)
    or rules.problem(options, allowed, "")
  if wrong then
    error(format("testing.%s: %s", what, wrong), level + 1)
  end
end

-- What a worker would bury as no envelope; other keys are let be there too, and null is absent.
local function check_envelope(envelope, level)
  local known = {}
  for name in next, rules.of_envelope do
    local value = envelope[name]
    known[name] = not rawequal(value, json.null) and value or nil
  end
  local wrong = rules.problem(known, rules.of_envelope, "envelope.")
  if wrong then
    error("testing.perform: " .. wrong, level + 1)
  end
end

local function names_of(files)
  local names = {}
  for i, file in next, files.list do
    names[i] = gsub(sub(file, 1, -5), "/", ".")
  end
  return names
end

local function has(list, wanted)
  for _, each in next, list do
    if each == wanted then
      return true
    end
  end
  return false
end

local function unknown(files, name)
  local names = names_of(files)
  local closest = host.suggest(tostring(name), names)
  return format("there is no handler %s in %s/%s; there %s", tostring(name), files.shown,
    closest and " (did you mean " .. closest .. "?)" or "",
    #names == 0 and "are none" or (#names == 1 and "is " or "are ") .. concat(names, ", "))
end

-- The function of a handler, its options, and the middleware: loaded anew, so that nothing is left of a former run.
local function load(name)
  local files = fakehost.files
  if not files then
    error(fakehost.problem, 0)
  end
  local file = gsub(tostring(name), "%.", "/") .. ".lua"
  if not has(files.list, file) then
    files.list = select(3, host.scan()) or files.list -- it may be new
    if not has(files.list, file) then
      error(unknown(files, name), 0)
    end
  end
  loader.bootstrap(files)
  local handler, options = loader.handler(files, file)
  return handler, options, loader.middleware(files)
end

-- The executor's jobs run on the main thread, which cannot yield, and in a process that they may end; here they do not.
-- `ended` is called with the exit code.
local function confine(ended)
  local thread = running()
  coroutine.yield = function(...) -- luacheck: ignore 122
    if running() == thread then
      error("attempt to yield across C-call boundary", 2)
    end
    return yield(...)
  end
  os.exit = function(code) -- luacheck: ignore 122
    ended(code == false and 1 or tonumber(code) or 0)
    error("os.exit", 0)
  end
end

local function encode(name, data, options, level)
  local envelope = {}
  for key, value in next, options.envelope or {} do
    envelope[key] = value
  end
  envelope.job, envelope.data = name, data
  local fine, body = pcall(json.encode, envelope)
  if not fine then
    error(format("testing.perform: the data of %s: %s", of(name, 100), body), level + 1)
  end
  return body, envelope
end

-- What holds for a job: the envelope's, the handler's, the configuration's.
local function retry_of(envelope, options)
  local given = type(envelope.retry) == "table" and envelope.retry or {}
  local function pick(key)
    local own = options and options[key] ~= UNSET and options[key]
    return given[key] or own or fakehost.retry[key]
  end
  return { max = pick "max", delay = pick "delay" }
end

---@class lunastalk.AfterOptions What testing.after() may be told
---@field attempt? integer 1
---@field retry? { max: integer, delay: integer } else jobs.retry of config.yml
---@field delay? number seconds that the handler asked for: 0
---@field bury? boolean the envelope's error.bury: true

--- What the worker would do with a job that ended so (`job/policy.c` decides, as in the worker).
--- Returns too after how many seconds it is ready again; of a retry the middle: from ten up it varies by a tenth.
---@param outcome string|lunastalk.Result `succeeded`, `failed` …, or a result, which has attempt, retry and delay too
---@param options? lunastalk.AfterOptions
---@return string verb `delete`, `bury`, `release` or `retry`
---@return number seconds
function testing.after(outcome, options)
  local result = type(outcome) == "table" and outcome or { outcome = outcome }
  options = options or {}
  check("after", options, of_after, 2)
  local number = numbers[result.outcome]
  if not number then
    error(format("testing.after: there is no outcome %s", tostring(result.outcome)), 2)
  end
  local retry = options.retry or result.retry or {}
  local max, delay = retry.max or fakehost.retry.max, retry.delay or fakehost.retry.delay
  local attempt = options.attempt or result.attempt or 1
  local bury = options.bury
  if bury == nil then
    bury = result.bury ~= false
  end
  local middle = floor(min(delay * 2 ^ (attempt - 1), LONGEST_DELAY) / 10)
  local verb, seconds = host.after(number, attempt - 1, max, delay, options.delay or result.delay or 0, bury, middle)
  return VERBS[verb], seconds
end

---@class lunastalk.PerformOptions What testing.perform() may be told
---@field attempt? integer 1
---@field tube? string `default`
---@field id? string of the job: `1`, `2` …
---@field envelope? table what its producer says beside job and data: `{ retry = { max = 2 } }`

---@class lunastalk.Result What testing.perform() returns
---@field outcome string `succeeded`, `failed`, `released`, `buried` or `unavailable`
---@field reason? string why it failed or was buried
---@field traceback? string the frames of the handler
---@field delay? number seconds that it asked for with job:release
---@field logs table[] what it logged: `{ level, message, context, template }`
---@field puts table[] what it put: `{ job, data, tube, priority, delay, ttr, envelope }`
---@field progress any[] the values of job:progress
---@field touches integer how often it called job:touch
---@field runtime number seconds
---@field attempt integer
---@field retry { max: integer, delay: integer } what holds for it: of the envelope, the handler, config.yml
---@field verb string what the worker would do: `delete`, `bury`, `release` or `retry`
---@field after number seconds until it is ready again

-- testing.perform(), for who calls it at that level.
local function perform(name, data, options, level)
  options = options or {}
  check("perform", options, of_perform, level + 1)
  check_envelope(options.envelope or {}, level + 1)
  local body, envelope = encode(name, data, options, level + 1)
  local run = fakehost.begin(options.tube or "default", options.attempt or 1)
  local result, exited = { name = name, attempt = run.attempt }, nil
  local function load_and_run()
    local fine, handler, own, middleware = pcall(load, name)
    if not fine then
      return handler
    end
    local id = options.id or tostring(fakehost.runs)
    local dispatched = dispatch.new({ [name] = handler }, host, log.warning, middleware, fakehost.files.shown)
    local start = host.clock()
    local kind, delay, reason, traceback = dispatched("testing", id, name, run.tube, body)
    sethook() -- one of the handler's
    result.runtime = host.clock() - start
    result.outcome, result.delay, result.reason, result.traceback = OUTCOMES[kind], delay, reason, traceback
    result.retry = retry_of(envelope, own)
  end
  local problem = sandbox.run(function()
    confine(function(code) exited = exited or code end)
    local problem = load_and_run()
    fakehost.rest(true)
    return problem
  end)
  if exited then
    result.outcome, result.reason, result.traceback = "failed", "the executor exited with code " .. exited, ""
  end
  fakehost.finish(result.outcome == "succeeded")
  if problem then
    error(exited and result.reason or problem, level + 1)
  end
  result.logs, result.puts, result.progress, result.touches = run.logs, run.puts, run.progress, run.touches
  result.bury = type(envelope.error) ~= "table" or envelope.error.bury ~= false
  result.verb, result.after = testing.after(result)
  fakehost.last = result
  return result
end

--- Runs a job as the executor does: bootstrap, middleware, strict globals, outcome, error texts are the same code's.
--- Whatever it does to globals, to the standard libraries and to loaded modules is undone afterwards. There are no
--- limits of time and memory. Raises an error for a handler that is not there or does not load, for data that JSON
--- cannot hold and for an envelope that is none.
---@param name string the handler's
---@param data? any goes through JSON, as from a producer; `{}`
---@param options? lunastalk.PerformOptions
---@return lunastalk.Result
function testing.perform(name, data, options)
  return perform(name, data, options, 2)
end

--- Runs the jobs that were put, those that these put, and so on until none is left. Delays are not waited for.
---@return lunastalk.Result[] results in the order in which they ran
function testing.drain()
  local results, waiting = {}, fakehost.waiting
  while waiting[1] do
    local put = remove(waiting, 1)
    if #results == DRAIN_MOST then
      error(format("testing.drain: more than %d jobs: %s puts without an end", DRAIN_MOST, put.job), 2)
    end
    results[#results + 1] = perform(put.job, put.data, { tube = put.tube, envelope = put.envelope }, 2)
  end
  return results
end

--- For testing.connection(): a server that cannot be reached.
testing.away = {}

--- Says what `connection.get(name)` is for the jobs of this test. A spec that does not say so gets an error, so that no
--- server is reached by accident.
---@param name string
---@param fake? any the fake; `testing.away`: the job ends as unavailable; nil: the real connection
function testing.connection(name, fake)
  local away = rawequal(fake, testing.away)
  fakehost.connections[name] = { fake = not away and fake or nil, away = away }
end

--- Has os.time() and os.date() tell this time, until the end of the test; without one the real time again.
---@param time? number seconds since 1970
function testing.at(time)
  if time ~= nil and type(time) ~= "number" then
    error("testing.at: the time is a number of seconds since 1970, not " .. of(time, 100), 2)
  end
  fakehost.at(time)
end

--- All that was put since the test began, by jobs and by the spec.
---@return table[] puts as those of a result
function testing.puts()
  return fakehost.puts
end

--- All that was logged since the test began.
---@return table[] logs as those of a result
function testing.logs()
  return fakehost.logs
end

fakehost.tests = true
require("lunastalk.assertions")(fakehost)

if not fakehost.subscribed then
  local found, busted = pcall(require, "busted")
  if found and busted.subscribe then
    busted.subscribe({ "test", "end" }, function()
      fakehost.reset()
      return nil, true
    end)
    fakehost.subscribed = true
  end
end

return testing
