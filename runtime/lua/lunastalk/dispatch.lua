-- From a job's body to the outcome of its handler (the table in the README of jobs/). Plain Lua; what it needs from
-- outside is given to dispatch.new().
local json = require "lunastalk.json"
local numbers = require "lunastalk.numbers"
local text = require "lunastalk.text"
local trace = require "lunastalk.trace"

local ceil, error, find, format, getinfo, gsub, max, next, pcall, rawequal, rawget, setmetatable, sub, traceback,
  type, xpcall = math.ceil, error, string.find, string.format, debug.getinfo, string.gsub, math.max, next, pcall,
  rawequal, rawget, setmetatable, string.sub, debug.traceback, type, xpcall
local bounded, decode, encode, inexact, of, null = text.bounded, json.decode, json.encode, numbers.inexact, text.of,
  json.null
local locate, split, strip = trace.locate, trace.split, trace.strip

local REASON, TRACEBACK = 4 * 1024, 16 * 1024
local U32 = 2 ^ 32 - 1
local PROGRESS_MOST, KEY_MOST = 1024, 200 -- WIRE_… of executor/wire.h
local EVERY, BURST = 0.1, 1 -- seconds: ten values of progress a second are sent, and ten at once after a silence
local DAY = 24 * 60 * 60

-- enum outcome_kind of executor/wire.h
local SUCCEEDED, FAILED, RELEASED, BURIED, UNAVAILABLE = 0, 1, 2, 3, 4

local HERE = "\n\t" .. getinfo(1, "S").short_src .. ":"

local dispatch = {}

-- What job:release, job:bury and connection.get raise. The outcome stands in the job: who catches this changes nothing.
local ENDED = setmetatable({}, { __tostring = function() return "the job was released or buried" end })

-- The frames of the handler alone: those above it are ours, from the last line of this file down, and the xpcall
-- before it.
local function trim(frames)
  local cut, at = nil, find(frames, HERE, 1, true)
  while at do
    cut, at = at, find(frames, HERE, at + 1, true)
  end
  frames = cut and sub(frames, 1, cut - 1) or frames
  return strip(sub(frames, 1, (find(frames, "\n\t%[C%]: in function 'xpcall'$") or 0) - 1))
end

-- A string costs no further calls: when the stack has overflown, few are left.
local function on_error(value)
  if rawequal(value, ENDED) then
    return value
  end
  local reason = type(value) == "string" and value or of(value, REASON)
  return { value = value, reason = reason, frames = sub(traceback("", 2), 2) }
end

-- The error value of which on_error made `result`.
local function raised(result)
  if type(result) == "table" and result.reason then
    return result.value
  end
  return result
end

local NO_OUTCOME = "jobs/_middleware.lua neither called next nor returned an outcome"

-- The handler within the middleware, as xpcall would return it: what the middleware returns counts, or else what the
-- handler did.
local function within(middleware, handler, job)
  local called, fine, result, reason
  local function go()
    if called then
      error("next was called before", 2)
    end
    called = true
    fine, result, reason = xpcall(handler, on_error, job)
    if not fine and rawequal(result, ENDED) then -- no error: it has said what becomes of the job
      fine, result = true, nil
    elseif not fine then
      error(raised(result), 0)
    end
    return result, reason
  end
  local passed, own, why = xpcall(middleware, on_error, job, go)
  if not passed then -- of the handler's own error, the traceback tells where
    return false, called and not fine and rawequal(raised(own), raised(result)) and result or own
  elseif type(own) ~= "nil" or type(why) ~= "nil" then
    return true, own, why
  elseif not called then
    return true, false, NO_OUTCOME
  end
  return fine, result, reason
end

-- Key of a job's state, which handlers do not see: nil while it runs, its outcome once it was released or buried, OVER
-- after the handler.
local STATE, OVER, TEMPDIR, PROGRESS, AFTER = {}, {}, {}, {}, {}

local current -- the job that runs

local function check_running(job, method)
  if type(job) ~= "table" or rawget(job, "id") == nil then
    error(format("call it with a colon: job:%s()", method), 3)
  elseif rawget(job, STATE) == OVER then
    error(format("job:%s: this job is over", method), 3)
  end
end

-- The first end counts: a handler that catches it and goes on has nothing more to say.
local function finish(job, kind, delay, reason)
  job[STATE] = rawget(job, STATE) or { kind = kind, delay = delay, reason = reason }
  error(ENDED, 0)
end

--- The job that runs; nil: none.
function dispatch.running()
  return current
end

--- Has `f` called with the job that runs, once it has ended.
function dispatch.afterwards(f)
  current[AFTER] = f
end

--- Ends the job that runs: what it needs cannot be reached.
-- @tparam number delay seconds until it runs again
-- @tparam string reason
function dispatch.unavailable(delay, reason)
  finish(current, UNAVAILABLE, ceil(delay), reason)
end

--- Whether that is no error, but the end of a job.
function dispatch.has_ended(value)
  return rawequal(value, ENDED)
end

local methods = {}

--- Puts the job back and ends it here. No failure is counted.
-- @tparam[opt=0] number|table options seconds until it is ready again, or `{ delay = seconds }`
function methods.release(job, options)
  check_running(job, "release")
  local delay = options
  if type(options) == "table" then
    delay = options.delay
    for key in next, options do
      if key ~= "delay" then
        error(format("job:release: there is no option %s: there is delay", of(key, 100)), 2)
      end
    end
  end
  delay = delay == nil and 0 or delay
  if type(delay) ~= "number" or not (delay >= 0 and delay <= U32) then
    error(format("job:release: delay must be seconds from 0 to 4294967295, not %s", of(delay, 100)), 2)
  end
  finish(job, RELEASED, ceil(delay), "")
end

--- Buries the job and ends it here.
-- @tparam[opt] string reason
function methods.bury(job, reason)
  check_running(job, "bury")
  finish(job, BURIED, 0, reason == nil and "buried by its handler" or of(reason, REASON))
end

-- What on_error made of the error; a plain text comes from the VM itself, without memory or stack for on_error.
local function failure(result, own)
  if type(result) ~= "table" or not result.reason then
    return FAILED, 0, of(result, REASON), ""
  end
  local reason, inner = split(result.reason)
  local frames = trim(inner or result.frames)
  if type(result.value) == "string" and own then
    reason = locate(reason, frames, own)
  end
  return FAILED, 0, bounded(reason, REASON), bounded(frames, TRACEBACK)
end

local shown = { number = true, string = true, boolean = true, table = true }

-- The JSON of a value of job:progress. NUL: the runtime's JSON has none in the names of a table.
local function progress_text(value)
  if not shown[type(value)] then
    error(format("job:progress: give it a number, a string, a boolean or a table, not %s", of(value, 100)), 3)
  end
  local fine, result = pcall(encode, value)
  if not fine then
    error("job:progress: " .. of(result, REASON), 3)
  elseif #result > PROGRESS_MOST then
    error(format("job:progress: %d bytes of JSON are more than %d", #result, PROGRESS_MOST), 3)
  elseif find(gsub(result, "\\\\", ""), "\\u0000", 1, true) then -- and not a backslash before u0000
    error("job:progress: there is a NUL in it", 3)
  end
  return result
end

local function check_once(key, ttl)
  if type(key) ~= "string" or #key < 1 or #key > KEY_MOST or find(key, "[%z\1-\31\127]") then
    error(format("job:once: the key must be a string of 1 to %d bytes without control characters, not %s", KEY_MOST,
      of(key, 100)), 3)
  elseif type(ttl) ~= "number" or not (ttl >= 1 and ttl <= U32) then
    error(format("job:once: ttl must be seconds from 1 to 4294967295, not %s", of(ttl, 100)), 3)
  end
end

--- Makes the function that runs a job.
-- @tparam table handlers name → function(job)
-- @tparam table host what a job asks for while it runs: stats() → tube, attempt, or nil and a message; touch();
--   tempdir() → path, or nil and a message; progress(json); once(key, ttl) → boolean, or nil and a message; and
--   clock() → seconds
-- @tparam function warn (message, context)
-- @tparam[opt] function middleware (job, next), around each handler
-- @tparam[opt] string own the directory of the handlers, as their chunks are named
-- @treturn function (server, id, name, tube, body) → enum outcome_kind, delay in s, reason, traceback
function dispatch.new(handlers, host, warn, middleware, own)
  local warned, warned_numbers = {}, {}

  -- What needs the runtime.
  local asking = setmetatable({}, { __index = methods })

  --- Starts the job's time anew, at its broker and at its limit: for long work that goes well.
  function asking.touch(job)
    check_running(job, "touch")
    host.touch()
  end

  --- Tells how far the job has come: `lunastalk status` and the job's record show the last value.
  -- Cheap: of many values only ten a second are passed on, and the last one at the end of the job.
  -- @tparam number|string|boolean|table value at most 1 KB of JSON
  function asking.progress(job, value)
    check_running(job, "progress")
    local progress = rawget(job, PROGRESS) or { due = 0 }
    local now = host.clock()
    job[PROGRESS], progress.value = progress, progress_text(value)
    if progress.due <= now then
      progress.due = max(progress.due, now - BURST) + EVERY
      host.progress(progress.value)
      progress.value = nil
    end
  end

  --- Whether this job is the first to name the key: for the one step that must not be done twice. Given back when the
  -- job fails. Raises an error when Redis, which keeps the keys, cannot be asked.
  -- @tparam string key 1 to 200 bytes, without control characters
  -- @tparam[opt=86400] number ttl seconds that the key is kept
  -- @treturn boolean false: another job has it
  function asking.once(job, key, ttl)
    check_running(job, "once")
    ttl = ttl == nil and DAY or ttl
    check_once(key, ttl)
    local first, problem = host.once(key, ceil(ttl))
    if first == nil then
      error("job:once: " .. problem, 2)
    end
    return first
  end

  --- A directory of the job's own, the same at each call; it is removed after the job, however that ends.
  -- @treturn string its path
  function asking.tempdir(job)
    check_running(job, "tempdir")
    local path = rawget(job, TEMPDIR)
    if not path then
      local problem
      path, problem = host.tempdir()
      if not path then
        error("job:tempdir: " .. problem, 2)
      end
      job[TEMPDIR] = path
    end
    return path
  end

  -- tube and attempt cost a question to the queue: asked when first read.
  local meta = {
    __index = function(job, key)
      if key ~= "tube" and key ~= "attempt" then
        return asking[key]
      end
      check_running(job, key)
      local tube, attempt = host.stats()
      if not tube then
        error(format("cannot read job.%s: %s", key, attempt), 2)
      end
      job.tube, job.attempt = tube, attempt
      return rawget(job, key)
    end,
  }

  local function warn_once(name, result)
    if not warned[name] then
      warned[name] = true
      local returned = of(result, 1024)
      warn("returned {returned}, which counts as success: a handler returns true, or false and a reason",
        { returned = type(result) == "string" and format('"%s"', returned) or returned })
    end
    return SUCCEEDED
  end

  local function check_numbers(name, body, data)
    local place = not warned_numbers[name] and inexact(body, data)
    if place then
      warned_numbers[name] = true
      warn("{place} is an integer above 2^53, which Lua does not hold exactly: let the producer send it as a text",
        { place = place })
    end
  end

  local function run(job, name, handler)
    local fine, result, reason
    current = job
    if middleware then
      fine, result, reason = within(middleware, handler, job)
    else
      fine, result, reason = xpcall(handler, on_error, job)
    end
    local outcome, progress, after = rawget(job, STATE), rawget(job, PROGRESS), rawget(job, AFTER)
    job[STATE], current = OVER, nil
    if after then
      after(job)
    end
    if progress and progress.value then
      host.progress(progress.value)
    end
    if outcome then
      return outcome.kind, outcome.delay, outcome.reason, ""
    elseif not fine then
      return failure(result, own)
    elseif result == true or type(result) == "nil" and reason == nil then
      return SUCCEEDED
    elseif type(result) == "boolean" or type(result) == "nil" then
      return failure { reason = reason == nil and "returned false" or type(reason) == "string" and reason
        or of(reason, REASON), frames = "" }
    end
    return warn_once(name, result)
  end

  return function(server, id, name, tube, body)
    local handler = handlers[name]
    if not handler then
      return FAILED, 0, format("there is no handler %s", name), ""
    end
    local envelope, problem = decode(body)
    if type(envelope) ~= "table" then
      return FAILED, 0, format("the body is no envelope: %s", problem or "no object"), ""
    end
    local data = envelope.data
    if data == nil or data == null then
      data = {}
    end
    check_numbers(name, body, data)
    local job = setmetatable({ id = id, name = name, server = server, data = data, envelope = envelope }, meta)
    if tube ~= "" then
      job.tube = tube
    end
    return run(job, name, handler)
  end
end

return dispatch
