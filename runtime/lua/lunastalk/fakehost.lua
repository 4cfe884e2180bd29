-- What stands for the runtime where there is none: it notes what a handler asks for, and answers as if all were well.
-- Loaded before the modules that take their functions from lunastalk.host.
local host = require "lunastalk.host"
local json = require "lunastalk.json"

local error, floor, format, gsub, next, require, tonumber, tostring, unpack = error, math.floor, string.format,
  string.gsub, next, require, tonumber, tostring, unpack
local time, date = os.time, os.date

local LARGEST = 65535 -- bytes of a job: beanstalkd's -z, unless it is told otherwise
local LITERAL = 1 -- enum wire_value of executor/wire.h

-- enum level of base/level.h
local levels = { [0] = "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency" }

local fakehost = { levels = {} }
for _, name in next, levels do
  fakehost.levels[name] = true
end

--- Forgets everything: between two tests.
function fakehost.reset()
  -- What all jobs have done since; `waiting`: what was put and has not run.
  fakehost.logs, fakehost.puts, fakehost.waiting = {}, {}, {}
  fakehost.keys = {} -- of job:once → the run that has it
  fakehost.connections = {} -- name → { fake =, away = }
  fakehost.runs, fakehost.last = 0, nil
  fakehost.run = nil -- of the job that runs: its tube, attempt, logs, puts, progress, touches
  fakehost.ids = 0
  fakehost.at()
end

--- Sets the clock that os.time() and os.date() read; nil: the real one again.
function fakehost.at(now)
  os.time, os.date = time, date -- luacheck: ignore 122
  if not now then
    return
  end
  os.time = function(table) -- luacheck: ignore 122
    return table and time(table) or floor(now)
  end
  os.date = function(form, moment) -- luacheck: ignore 122
    return date(form or "%c", moment or floor(now))
  end
end

local function add(list, value)
  list[#list + 1] = value
end

local function note(kind, value)
  add(fakehost[kind], value)
  if fakehost.run then
    add(fakehost.run[kind], value)
  end
end

host.lowest = 0

function host.log(level, message, fields)
  local context, shown = {}, {}
  for i = 1, #fields, 3 do
    local key, kind, text = fields[i], fields[i + 1], fields[i + 2]
    shown[key] = text
    if kind == LITERAL then
      text = json.decode("[" .. text .. "]")[1]
    end
    context[key] = text
  end
  local filled = gsub(message, "{([%w_.]+)}", shown)
  note("logs", { level = levels[level], message = filled, template = message, context = context })
end

-- The id, or nil, a message and a code.
local function put_job(tube, priority, delay, ttr, body)
  if #body > LARGEST then
    return nil, format("its %d bytes are more than the %d that beanstalkd takes (max-job-size; -z)", #body, LARGEST),
      "JOB_TOO_BIG"
  end
  local envelope = json.decode(body)
  local put = { tube = tube, priority = priority, delay = delay, ttr = ttr, envelope = envelope }
  for key, value in next, envelope do
    put[key] = value
  end
  fakehost.ids = fakehost.ids + 1
  put.number = tostring(fakehost.ids)
  note("puts", put)
  add(fakehost.waiting, put)
  return put.number
end

function host.put(fields)
  local ids, problems = {}, {}
  if not fakehost.tests then
    return ids, { { "a script puts no jobs: lunastalk put does, and every client of beanstalkd", "NOT_CONNECTED" } }
  end
  for place = 1, #fields / 5 do
    local id, message, code = put_job(unpack(fields, 5 * place - 4, 5 * place))
    ids[place], problems[place] = id, not id and { message, code } or nil
  end
  return ids, problems
end

function host.stats()
  return fakehost.run.tube, fakehost.run.attempt
end

function host.touch()
  fakehost.run.touches = fakehost.run.touches + 1
end

function host.progress(text)
  add(fakehost.run.progress, json.decode("[" .. text .. "]")[1])
end

function host.once(key)
  local holder = fakehost.keys[key]
  fakehost.keys[key] = holder or fakehost.run
  return not holder or holder == fakehost.run
end

-- lunastalk.connection gives what closes connections.
function fakehost.rest() end

function host.rung(rest)
  fakehost.rest = rest
end

function host.ring() end

--- Whether what is defined now outlives a job: where a spec has loaded the file, no job loads it again.
function host.lasting()
  return not fakehost.run
end

--- What connection.get() returns in a spec: true and the fake, or false: the real one.
function host.connection(name)
  local known = fakehost.connections[name]
  if not known then
    error(format('connection.get: the spec does not say what %s is: testing.connection("%s", fake), or '
      .. 'testing.connection "%s" for the real one', name, name, name), 3)
  elseif known.away then
    require("lunastalk.dispatch").unavailable(1, format("connection %s: away, says the spec", name))
  end
  return known.fake ~= nil, known.fake
end

--- A job begins.
function fakehost.begin(tube, attempt)
  fakehost.runs = fakehost.runs + 1
  fakehost.run = { tube = tube, attempt = attempt, logs = {}, puts = {}, progress = {}, touches = 0 }
  host.begin()
  return fakehost.run
end

--- It has ended; a job that did not succeed gives back what it had of job:once.
function fakehost.finish(succeeded)
  local run = fakehost.run
  fakehost.run = nil
  for key, holder in next, fakehost.keys do
    if holder == run and not succeeded then
      fakehost.keys[key] = nil
    end
  end
  host.tidy()
end

--- jobs.retry of the configuration, for handlers that say nothing of it.
function fakehost.configure(max, delay)
  fakehost.retry = { max = tonumber(max), delay = tonumber(delay) }
end

fakehost.reset()

return fakehost
