--- What busted's `assert` learns from lunastalk.testing. Each can be negated: `assert.not_put "send_email"`. Where one
--- does not hold, the message tells what happened instead. Those about a job's end are about the last one that was
--- performed, or about the result that is given first: `assert.failed(result, "no ink")`. A text to match is found as
--- it is, or as a Lua pattern.

local text = require "lunastalk.text"

local concat, error, find, format, gsub, next, pcall, rawequal, type = table.concat, error, string.find, string.format,
  string.gsub, next, pcall, rawequal, type
local of = text.of

local SHOWN = 2000 -- bytes of a value
local MESSAGE = "assertion.lunastalk" -- key of luassert's texts

local function matches(value, wanted)
  if type(wanted) ~= "string" then
    error("the text to match is a string, not " .. of(wanted, SHOWN), 0)
  end
  if find(value, wanted, 1, true) then
    return true
  end
  local fine, found = pcall(find, value, wanted)
  return fine and found ~= nil
end

-- What luassert shows when the assertion does not hold: MESSAGE with its arguments.
local function say(arguments, message)
  arguments[1], arguments.n, arguments.nofmt = message, 1, { true }
end

-- Whether all that `wanted` has is in `value`.
local function contains(value, wanted)
  if type(wanted) ~= "table" or type(value) ~= "table" then
    return value == wanted
  end
  for key, each in next, wanted do
    if not contains(value[key], each) then
      return false
    end
  end
  return true
end

local function show_puts(puts)
  local lines = {}
  for i, put in next, puts do
    local data = of(put.data, SHOWN)
    lines[i] = format("\n  %s into %s, priority %d, delay %d, ttr %d: %s", put.job, put.tube, put.priority, put.delay,
      put.ttr, data)
  end
  return #lines == 0 and "nothing was put" or "what was put:" .. concat(lines)
end

local function show_logs(logs)
  local lines = {}
  for i, record in next, logs do
    lines[i] = format("\n  %s: %s", record.level, of(record.message, SHOWN))
  end
  return #lines == 0 and "nothing was logged" or "what was logged:" .. concat(lines)
end

local ends = {
  succeeded = function() return "succeeded" end,
  failed = function(result) return "failed: " .. result.reason end,
  released = function(result) return format("was released for %d s", result.delay) end,
  buried = function(result) return "was buried by its handler: " .. result.reason end,
  unavailable = function(result) return "found no connection: " .. result.reason end,
}

local verbs = { delete = "is deleted", bury = "is buried", release = "goes back for %d s",
  retry = "runs again in %d s" }

local function show_result(result)
  local trace = result.traceback and result.traceback ~= "" and "\n" .. gsub(result.traceback, "\t", "  ") or ""
  return format("%s %s%s\nit %s; %s\n%s", result.name, ends[result.outcome](result), trace,
    format(verbs[result.verb], result.after), show_logs(result.logs), show_puts(result.puts))
end

-- The result that is meant, and the arguments behind it.
local function result_of(fakehost, name, arguments)
  local first = arguments[1]
  if type(first) == "table" and first.outcome then
    return first, arguments[2]
  elseif not fakehost.last then
    error(format("assert.%s: no job was performed in this test", name), 0)
  end
  return fakehost.last, first
end

-- An assertion about a job's end. check(result, wanted) → boolean; `wanted` is what else was given.
local function about_end(fakehost, name, expectation, check)
  return function(state, arguments)
    local result, wanted = result_of(fakehost, name, arguments)
    say(arguments, format("expected that the job %s%s%s, but %s", state.mod and "" or "not ", expectation,
      rawequal(wanted, nil) and "" or " (" .. of(wanted, SHOWN) .. ")", show_result(result)))
    return check(result, wanted)
  end
end

local PUT = { job = true, data = true, tube = true, priority = true, delay = true, ttr = true, envelope = true,
  id = true, success = true, error = true, retry = true, timeout = true }

-- What cannot be is no reason for `assert.not_…` to hold.
local function check_put(wanted)
  if type(wanted) ~= "table" then
    error("assert.put takes the name of a handler, or a table with what was put, not " .. of(wanted, SHOWN), 0)
  end
  for key in next, wanted do
    if not PUT[key] then
      error("assert.put: no put has " .. of(key, SHOWN), 0)
    end
  end
end

local function check_level(fakehost, level)
  if not fakehost.levels[level] then
    error("assert.logged: there is no log level " .. of(level, SHOWN), 0)
  end
end

local function with_reason(wanted, result)
  return wanted == nil or matches(result.reason, wanted)
end

local function within(wanted, result)
  return wanted == nil or wanted == result.after
end

return function(fakehost)
  local luassert = require "luassert"
  require("say"):set(MESSAGE, "%s")

  local function register(name, check)
    luassert:register("assertion", name, check, MESSAGE, MESSAGE)
  end

  local function register_end(name, expectation, check)
    register(name, about_end(fakehost, name, expectation, check))
  end

  --- assert.succeeded([result]): its outcome was success.
  register_end("succeeded", "succeeds", function(result)
    return result.outcome == "succeeded"
  end)

  --- assert.failed([result,] [matching]): it failed, with a reason that matches.
  register_end("failed", "fails", function(result, wanted)
    return result.outcome == "failed" and with_reason(wanted, result)
  end)

  --- assert.retried([result,] [seconds]): it failed, and the worker runs it again, after that time.
  register_end("retried", "is tried again", function(result, wanted)
    return result.verb == "retry" and within(wanted, result)
  end)

  --- assert.buried([result,] [matching]): the worker buries it: by its handler's wish, or since it has failed for good.
  register_end("buried", "is buried", function(result, wanted)
    return result.verb == "bury" and with_reason(wanted, result)
  end)

  --- assert.released([result,] [seconds]): the worker puts it back without a failure: job:release, or no connection.
  register_end("released", "is released", function(result, wanted)
    return result.verb == "release" and within(wanted, result)
  end)

  --- assert.logged(level, [matching]): a record of that level was written in this test, whose message matches.
  register("logged", function(state, arguments)
    local level, wanted = arguments[1], arguments[2]
    check_level(fakehost, level)
    say(arguments, format("expected %s log record of level %s%s, but %s", state.mod and "a" or "no",
      of(level, SHOWN), wanted and format(" that matches %q", of(wanted, SHOWN)) or "", show_logs(fakehost.logs)))
    for _, record in next, fakehost.logs do
      if record.level == level and (wanted == nil or matches(record.message, wanted)) then
        return true
      end
    end
    return false
  end)

  --- assert.put(wanted): a job was put in this test that has all that `wanted` has: `assert.put { job = "send_email",
  --- tube = "mail", data = { to = "ada@example.com" } }`, or a name alone: `assert.put "send_email"`.
  register("put", function(state, arguments)
    local wanted = type(arguments[1]) == "string" and { job = arguments[1] } or arguments[1]
    check_put(wanted)
    say(arguments, format("expected that %s job is put with %s, but %s", state.mod and "a" or "no",
      of(wanted, SHOWN), show_puts(fakehost.puts)))
    for _, put in next, fakehost.puts do
      if contains(put, wanted) then
        return true
      end
    end
    return false
  end)
end
