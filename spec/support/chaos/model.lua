--- The jobs of a chaos run: what kinds there are, how each behaves, and how each must end. A job says in a journal when
--- a run of it begins and how it ends, one write each.
local cjson = require "cjson"

local model = {}

-- In front of every handler. An end that is not in the journal did not happen: it is written before it is returned.
local JOURNAL = [[
local fcntl = require "posix.fcntl"
local settings = require "lunastalk.settings"
local stdlib = require "posix.stdlib"
local time = require "posix.time"
local unistd = require "posix.unistd"

local file = assert(fcntl.open(settings.journal, fcntl.O_WRONLY + fcntl.O_APPEND))
local pid, parent, runs = unistd.getpid(), unistd.getppid(), 0
local journal = {}

local function write(what, job, outcome)
  local now = time.clock_gettime(time.CLOCK_MONOTONIC)
  local line = ("%d.%09d %s %d.%d %d %s %d %d %s\n"):format(now.tv_sec, now.tv_nsec, what, pid, runs, job.data.n,
    job.server, pid, parent, outcome)
  assert(unistd.write(file, line) == #line)
end

local endings = {
  success = function() return true end,
  failed = function() return false, "as its kind demands" end,
  released = function(job) job:release { delay = 1 } end,
  buried = function(job) job:bury "as its kind demands" end,
  crashed = function(job)
    if job.data.signal then
      require "posix.signal".kill(pid, job.data.signal)
    end
    unistd._exit(0) -- like os.exit(0), but that the leak sanitizer has no time to look at what libraries hold
  end,
}

-- True for the first that asks for this job.
function journal.once(job)
  local path = settings.marks .. "/" .. job.data.n
  local mark = fcntl.open(path, fcntl.O_WRONLY + fcntl.O_CREAT + fcntl.O_EXCL, tonumber("600", 8))
  return mark and unistd.close(mark) == 0
end

function journal.pause(job)
  require "posix.poll".poll({}, job.data.ms)
end

-- body(job) does the work and returns how it ends.
function journal.handler(body)
  return function(job)
    runs = runs + 1
    write("start", job, "-")
    local outcome = body(job) or "success"
    write("end", job, outcome)
    return endings[outcome](job)
  end
end

return journal
]]

-- Each handler: `local journal = require "journal"`, and a table with these options whose process is
-- journal.handler(function(job) BODY end).
local RETRY = "retry = { max = 3, delay = 1 }"
local kinds = {
  { name = "short", weight = 70, body = "" },
  { name = "middle", weight = 6, body = "journal.pause(job)",
    data = function(random) return { ms = random:between(5, 200) } end },
  { name = "long", weight = 1, options = "timeout = 30, " .. RETRY, body = "journal.pause(job)",
    data = function(random) return { ms = random:between(500, 4000) } end },
  { name = "flaky", weight = 8, body = "if job.attempt <= job.data.fails then return 'failed' end",
    data = function(random) return { fails = random:between(1, 3) } end },
  { name = "crash", weight = 4, body = "if job.attempt == 1 then return 'crashed' end",
    data = function(random) return { signal = random:pick { { 9 }, { 31 }, {} }[1] } end }, -- KILL, SYS, exit
  { name = "release", weight = 6, body = "if journal.once(job) then return 'released' end" },
  { name = "doomed", weight = 3, options = "retry = { max = 1, delay = 1 }", body = "return 'failed'",
    final = "buried" },
  { name = "bury", weight = 3, body = "return 'buried'", final = "buried" },
}
for _, kind in ipairs(kinds) do
  kind.options, kind.final = kind.options or RETRY, kind.final or "gone"
  kinds[kind.name] = kind
end

--- The files of jobs/, by name.
function model.handlers()
  local files = { ["lib/journal.lua"] = JOURNAL }
  for _, kind in ipairs(kinds) do
    files[kind.name .. ".lua"] = ([[
local journal = require "journal"
return { %s, process = journal.handler(function(job) %s end) }
]]):format(kind.options, kind.body)
  end
  return files
end

--- The n-th job: { n, kind, final = "gone" or "buried", ttr, body }.
function model.job(n, random)
  local kind = random:pick(kinds)
  local data = kind.data and kind.data(random) or {}
  data.n = n
  return { n = n, kind = kind.name, final = kind.final, ttr = random:between(1, 2),
    body = cjson.encode { job = kind.name, data = data } }
end

--- The number of the job with this body.
function model.number_of(body)
  return tonumber(body:match '"n":(%d+)')
end

--- The runs in a journal (its text), by start: { n, server, pid, parent, start, ended, outcome }; ended and outcome are
--- nil where it says nothing of an end.
function model.runs(text)
  local list, by_token = {}, {}
  for time, what, token, n, server, pid, parent, outcome in
    text:gmatch "(%S+) (%S+) (%S+) (%d+) (%S+) (%d+) (%d+) (%S+)\n" do
    if what == "start" then
      by_token[token] = { n = tonumber(n), server = server, pid = tonumber(pid), parent = tonumber(parent),
        start = tonumber(time) }
      table.insert(list, by_token[token])
    else
      by_token[token].ended, by_token[token].outcome = tonumber(time), outcome
    end
  end
  table.sort(list, function(a, b)
    return a.start < b.start
  end)
  return list
end

return model
