--- Workers whose log is what a spec is about: handlers that log, a tube for each worker, and what stands in the files.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local jobs = require "spec.support.jobs"
local process = require "spec.support.process"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local assert = require "luassert"

local logs = {}

local HANDLERS = {
  -- Records from `first` (1) to `last`, of `size` bytes, between two barriers; fails where told to.
  ["says.lua"] = [[
    local log = require "lunastalk.log"
    return function(job)
      local data = job.data
      if data.before then io.open(data.before):read(1) end
      for n = data.first or 1, data.last do
        log[data.level or "notice"]("{who} {n}", { who = data.who, n = n, text = data.size and ("x"):rep(data.size) })
      end
      if data.after then io.open(data.after):read(1) end
      return not data.fails, "no ink"
    end]],
  -- Numbers its records until the file `door` is there.
  ["counts.lua"] = [[
    local log, socket = require "lunastalk.log", require "socket"
    return function(job)
      local n = 0
      repeat
        n = n + 1
        log.notice("steady {n}", { who = "steady", n = n })
        socket.sleep(0.0002)
      until io.open(job.data.door)
    end]],
  ["hostile.lua"] = [[
    local log = require "lunastalk.log"
    return function()
      local bytes = "a\r\nb\27[2Jc\0d\226\128\168e\255\254f\127g"
      log.notice("hostile " .. bytes .. " %s %n", { [bytes] = bytes })
      log.notice("hostile {open {missing} {} %d", { open = "{missing}", list = { bytes } })
      log.notice("hostile " .. bytes:rep(2 ^ 16), { who = bytes:rep(2 ^ 16) })
    end]],
  ["repeats.lua"] = [[return function()
    require("lunastalk.log").notice(("{who}"):rep(2 ^ 17), { who = ("\0\255"):rep(2 ^ 19) })
  end]],
}

local server = beanstalkd.start { binlog = true, fsync_ms = 100 } -- without, each worker has a notice about it
local queue = server:client()
local tubes = 0

local function new_tube()
  tubes = tubes + 1
  return "sinks" .. tubes
end

--- A configuration with this log, for a worker of that tube.
function logs.configure(tube, log, config)
  config = config or {}
  config.beanstalkd, config.log = { server = server.address }, log
  config.worker = { tubes = { tube }, executors = config.executors }
  config.executors = nil
  return config
end

local function project(log, config)
  local tube = new_tube()
  return worker.project { jobs = HANDLERS, config = logs.configure(tube, log, config) }, tube
end

--- A worker with a tube of its own, `tube`.
function logs.start(log, config, args)
  local dir, tube = project(log, config)
  local w = worker.start { dir = dir, args = args }
  w.tube = tube
  return w
end

--- Has the worker, which tells it on stdout, go on with another log.
function logs.reload(w, log, config)
  temp.write(w.dir .. "/config.yml", (cjson.encode(logs.configure(w.tube, log, config)):gsub("\\/", "/")))
  local mark = w:mark()
  w:kill(signal.SIGHUP)
  w:log("reloaded: ", 10, mark)
end

--- Has the shell do something with the worker's stdout first: ">path".
function logs.start_redirected(redirection, log)
  local dir, tube = project(log)
  local w = process.spawn({ "sh", "-c", 'exec "$0" run --allow-root ' .. redirection, worker.built "lunastalk" },
    { cwd = dir })
  w.dir, w.tube = dir, tube
  return w
end

--- Puts a job for the worker; its id.
function logs.put(w, name, data, envelope)
  envelope = envelope or {}
  envelope.job, envelope.data = name, data
  return (assert(queue:put(cjson.encode(envelope), { tube = w.tube })))
end

--- A job to its end.
function logs.run(w, data, name)
  jobs.gone(queue, logs.put(w, name or "says", data))
end

--- A job of `says` that fails.
function logs.fail(w, data)
  data.fails = true
  local id = logs.put(w, "says", data)
  jobs.becomes(queue, id, "buried")
  queue:delete(id)
end

--- Stops the worker, which has nothing against it.
function logs.ends(w)
  assert.equal(0, (w:stop()))
end

--- What the file holds, "" where there is none.
function logs.read(path)
  return stat.stat(path) and temp.read(path) or ""
end

--- Waits until the file has what matches.
function logs.shows(path, pattern)
  return wait.eventually(10, function()
    return logs.read(path):match(pattern)
  end, function()
    return pattern .. " in " .. path .. ", which ends with\n" .. logs.read(path):sub(-1000)
  end)
end

--- How often the text has what matches.
function logs.count(text, pattern)
  return (select(2, text:gsub(pattern, "")))
end

--- The records in lines of JSON; how many lines were none.
function logs.parse(text)
  local records, broken = {}, 0
  for line in text:gmatch "[^\n]+" do
    local whole, record = pcall(cjson.decode, line)
    if whole then
      table.insert(records, record)
    else
      broken = broken + 1
    end
  end
  return records, broken
end

--- The numbers that `who` said, in the order of the records.
function logs.numbers(records, who)
  local found = {}
  for _, record in ipairs(records) do
    if record.context.who == who then
      table.insert(found, record.context.n)
    end
  end
  return found
end

--- The numbers from `first` to `last`.
function logs.range(first, last)
  local list = {}
  for n = first, last do
    table.insert(list, n)
  end
  return list
end

--- Matches the JSON of the record with that number.
function logs.line_number(n)
  return '"n":' .. n .. "[,}]"
end

--- Numbered records without a pause while `during` runs; all of them are in the files in the end, in their order.
function logs.whole_over(w, paths, during)
  local door = w.dir .. "/door"
  local id = logs.put(w, "counts", { door = door })
  logs.shows(w.dir .. "/sink.log", logs.line_number(20))
  during()
  temp.write(door, "")
  jobs.gone(queue, id)
  logs.ends(w)
  local records, broken = {}, 0
  for _, path in ipairs(paths) do
    local found, damaged = logs.parse(temp.read(w.dir .. "/" .. path))
    broken = broken + damaged
    assert(#found > 0, path .. " has no records")
    for _, record in ipairs(found) do
      table.insert(records, record)
    end
  end
  local found = logs.numbers(records, "steady")
  assert.equal(0, broken)
  assert.same(logs.range(1, #found), found)
  assert.is_true(#found >= 20)
end

--- Of the server that all of these workers have.
logs.queue = queue

return logs
