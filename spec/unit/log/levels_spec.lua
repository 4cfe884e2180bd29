-- The level of each event of the runtime: whoever adds one decides here what it is to whom.
local temp = require "spec.support.temp"

local LEVELS = {
  -- A job was found, and finished.
  debug = {
    "job found",
    "job finished",
    "callback {url} is delivered",
  },
  -- Started, stopped, reloaded, connected: what happens as it should.
  info = {
    "lunastalk {version} starts as {worker}",
    "{handlers} handlers are loaded from {path}",
    "connected to beanstalkd {version} at {server}",
    "no redis is configured: no heartbeat, no index of failures, no records, no version key",
    "the connection to redis at {server} is lost: {why}", -- whether it is away the next try tells
    "reloaded: {handlers} handlers from {path} in {took} s",
    "{signal}: the files of the log are opened anew",
    "an executor is replaced: {why} is reached",
    "job released, to run again in {delay} s",
    "stopping: {why}",
    "stopped",
  },
  -- Unusual, but fine.
  notice = {
    "beanstalkd at {server} runs without -b: it keeps jobs in memory only",
    "beanstalkd at {server} was restarted",
    "beanstalkd at {server} stores again: jobs are reserved",
    "redis at {server} is well again",
    "job {id} is cancelled by {who}",
    "the reload waits: two former sets of executors still finish jobs",
    "what was changed of {options} needs a restart",
    "the version key is {version}: this worker stops in {delay} s",
    "the executor on disk is of another build than this worker, which ends so that it is started anew",
  },
  -- A failed attempt, a peer that is away, a fallback.
  warning = {
    "job failed, attempt {attempt} of {attempts}, and is retried in {delay} s: {reason}",
    "job {id} ran out of its TTR and was reserved again by the same worker; its run goes on",
    "no beanstalkd at {server}: {why}; next try in {delay} s",
    "redis at {server}: {why}; jobs go on without it",
    "{count} records for {address} are not mailed: {why}",
    "{count} updates for redis were dropped: it was away, too slow, or refused them",
    "{count} updates for redis are lost with this stop: it was away, too slow, or refused them",
    "another worker has the id {worker}: give each its own number or --name; their heartbeats overwrite each other",
    "the version key {key} holds no version: 1 to 200 bytes of text, without control characters",
    "a callback of job {id} is posted from memory: {why}",
    "the handlers in {path} are still being loaded after 5 s: what do they do outside of their functions?",
    "jobs have no directory for temporary files: {why}",
    "{why}: {jobs} jobs are cut short and go back to the queue",
    "the log to {sink} fails: {error}",
    "the log to {sink} works again; {lost} records were lost",
    "{lost} records for the log to {sink} were lost: more came than it could write",
    "{count} records for the log to {sink} were lost: it was closed before they were written",
  },
  -- A final failure, a refused callback.
  error = {
    "job failed and was {next}: {reason}",
    "an executor is replaced: a connection did not close within {limit} s",
    "job {next}: its body is no envelope: {reason}",
    "job {next}: {reason}",
    "job {next} by its handler: {reason}",
    "callback {url} failed and is lost, as beanstalkd had not taken it: {reason}",
    "job {id} of {tube} was buried, it is no callback: {reason}",
  },
  -- A reload was refused, executors crash in a loop, the queue is away for a minute, a server cannot store.
  critical = {
    "reload refused: {error}; the old handlers stay",
    "the handlers do not load: {why}",
    "beanstalkd at {server} has been unreachable for a minute: {why}; trying on",
    "beanstalkd at {server} cannot store (disk full?): it answered {answer} for job {id}, which it has lost until its "
      .. "restart; no job is reserved until it can",
  },
  -- Its binlog is off; what only an operator can end.
  alert = {
    "beanstalkd at {server} has switched its binlog off after a write error: until it is restarted it keeps jobs in "
      .. "memory only",
    "an executor was killed five seconds ago and has not ended: its process hangs in the kernel",
  },
  -- The worker cannot go on.
  emergency = {
    "cannot start: {why}",
    "the handlers do not load: {why}",
  },
}

-- Of two levels, by what is the case.
local EITHER = {
  ["an executor died before it had run a job: {why}; next start in {delay} s"] = "CRITICAL : LEVEL_ERROR",
  ["callback {url} failed, attempt {attempt}, and is retried in {delay} s: {reason}"] = "LEVEL_WARNING : LEVEL_ERROR",
  ["callback {url} failed, attempt {attempt}, and was buried: {reason}"] = "LEVEL_WARNING : LEVEL_ERROR",
  ["job {id} could not be settled: its reservation was lost (TTR too short?); it may run again"] =
    "LEVEL_ERROR : LEVEL_WARNING",
  ["job {id}: the connection went before the server answered; if it was not settled it runs again"] =
    "LEVEL_ERROR : LEVEL_WARNING",
  ["job {id} could not be settled: the server said {answer}"] = "LEVEL_ERROR : LEVEL_WARNING",
  ["job {id} lost its reservation while it ran: {why}; it is stopped here, its result is dropped, and it "
    .. "will run again"] =
    "LEVEL_WARNING : LEVEL_INFO",
  ["job {id} lost its reservation: {why}; it will run again"] = "LEVEL_WARNING : LEVEL_INFO",
}

-- Texts are joined and blanks are one.
local function source()
  local parts = {}
  for file in io.popen("ls runtime/*/*.c"):lines() do
    if not file:find "^runtime/command/" then
      local text = temp.read(file):gsub('"%s*\n%s*"', ""):gsub("%s+", " ")
      parts[#parts + 1] = text
    end
  end
  return table.concat(parts, "\n")
end

describe("the level of an event", function()
  local text = source()

  it("is what the list says, for each that names its level", function()
    local listed = {}
    for level, messages in pairs(LEVELS) do
      for _, message in ipairs(messages) do
        listed[level .. " " .. message] = true
      end
    end
    local seen = 0
    for level, message in text:gmatch 'LOG%(LEVEL_(%u+), "([^"]+)"' do
      assert.is_true(listed[level:lower() .. " " .. message], level .. " " .. message)
      seen = seen + 1
    end
    for level, message in text:gmatch 'write_record%(LEVEL_(%u+), job, "([^"]+)"' do
      assert.is_true(listed[level:lower() .. " " .. message], level .. " " .. message)
      seen = seen + 1
    end
    assert.is_true(seen >= 40)
  end)

  it("is known for each that is listed, and no event is left that has gone", function()
    for _, messages in pairs(LEVELS) do
      for _, message in ipairs(messages) do
        assert.truthy(text:find('"' .. message .. '"', 1, true), message)
      end
    end
    for message, choice in pairs(EITHER) do
      assert.truthy(text:find('"' .. message .. '"', 1, true), message)
      assert.truthy(text:find(choice, 1, true), choice)
    end
  end)

  it("is in the documentation of operators", function()
    local documented = temp.read "scripts/README.md"
    for level in pairs(LEVELS) do
      assert.truthy(documented:find("\n| `" .. level .. "` | ", 1, true), level)
    end
  end)
end)
