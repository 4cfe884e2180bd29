--- A chaos run, from the first job put to the checker's report.
local beanstalkd = require "spec.support.beanstalkd"
local checker = require "spec.support.chaos.checker"
local fleets = require "spec.support.chaos.fleet"
local model = require "spec.support.chaos.model"
local nemesis = require "spec.support.chaos.nemesis"
local proxies = require "spec.support.proxy"
local random = require "spec.support.chaos.random"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local wire = require "spec.support.chaos.wire"
local worker = require "spec.support.worker"

local WORKERS, EXECUTORS = 3, 3
local TUBE = "chaos"
local BACKLOG, BATCH = 400, 50
local TICK = 0.01
local DRAIN = 60 -- seconds
local SHOWN = 10 -- violations of a sort

local run = {}
run.__index = run

local function project(self)
  local dir = worker.project {
    jobs = {},
    config = {
      worker = { name = "chaos", tubes = { TUBE }, executors = EXECUTORS, shutdown_timeout = "2s" },
      executor = { max_jobs = 100 },
      settings = { journal = self.dir .. "/journal", marks = self.dir .. "/marks" },
    },
  }
  for name, text in pairs(model.handlers()) do
    temp.write(dir .. "/jobs/" .. name, text)
  end
  return dir
end

local function prepare(seconds, seed)
  local self = setmetatable({ seconds = seconds, deeds = {}, puts = {}, count = 0, dir = temp.dir() }, run)
  temp.write(self.dir .. "/journal", "")
  temp.write(self.dir .. "/marks/.keep", "")
  self.server = beanstalkd.start { binlog = true }
  self.proxy = proxies.start(self.server.address, WORKERS, seed)
  local function note(what, pid, slot, span)
    table.insert(self.deeds, { time = wait.now(), what = what, pid = pid, slot = slot, seconds = span })
  end
  self.fleet = fleets.new { doors = self.proxy.doors, dir = project(self), log = note }
  self.jobs, self.restarts = random.new(seed, 1), random.new(seed, 2)
  self.nemesis = nemesis.new { fleet = self.fleet, server = self.server, proxy = self.proxy,
    random = random.new(seed, 3), note = note }
  return self
end

-- The client that puts and looks: a new one after each restart of the server.
local function queue(self)
  if self.server.process ~= self.served then
    self.served, self.client = self.server.process, self.server:client()
  end
  return self.client
end

local function feed(self)
  if not self.nemesis.server_up or queue(self):jobs(TUBE).ready >= BACKLOG then
    return
  end
  for _ = 1, BATCH do
    local job = model.job(self.count + 1, self.jobs)
    job.id = assert(queue(self):put(job.body, { tube = TUBE, ttr = job.ttr }))
    self.count = job.n
    self.puts[job.n] = job
  end
end

-- A leak sanitizer that is killed at its work reports that.
local function without_leaks()
  local options = os.getenv "ASAN_OPTIONS"
  return { ASAN_OPTIONS = options and options .. ":detect_leaks=0" or nil }
end

local function rage(self)
  self.fleet.env = without_leaks()
  local deadline = wait.now() + self.seconds
  while wait.now() < deadline do
    self.fleet:tend(self.restarts)
    self.nemesis:act()
    feed(self)
    wait.pause(TICK)
  end
end

-- Where each job is now (n → state; what is gone is not in it), and how many jobs there are in all.
local function look(self)
  local left, client = {}, queue(self)
  for n, job in pairs(self.puts) do
    local stats = not self.gone[n] and client:stats_job(job.id)
    if stats and model.number_of(client:peek(job.id) or "") == n then
      left[n] = stats.state
    else
      self.gone[n] = true
    end
  end
  local stats = client:stats()
  return left, stats["current-jobs-ready"] + stats["current-jobs-reserved"] + stats["current-jobs-delayed"] +
    stats["current-jobs-buried"]
end

-- What was buried by crashes is kicked; the checker looks at why it was.
local function kick(self, left)
  for n, state in pairs(left) do
    if state == "buried" and self.puts[n].final == "gone" then
      queue(self):kick_job(self.puts[n].id)
      self.kicked = self.kicked + 1
      left[n] = "kicked"
    end
  end
end

local function drained(self)
  local left = look(self)
  kick(self, left)
  for _, state in pairs(left) do
    if state ~= "buried" then
      return false
    end
  end
  return true
end

-- Fresh workers, and nobody to hurt them, until nothing runs.
local function drain(self)
  self.nemesis:heal()
  self.fleet:stop()
  self.fleet.env = nil
  self.fleet:tend(self.restarts)
  self.gone, self.kicked = {}, 0
  local deadline = wait.now() + DRAIN
  while not drained(self) and wait.now() < deadline do
    self.fleet:tend(self.restarts)
    wait.pause(0.2)
  end
  self.fleet:stop()
  self.proxy:stop()
end

local function size(set)
  local count = 0
  for _ in pairs(set) do
    count = count + 1
  end
  return count
end

local function collect(self)
  local slots = {}
  for number, door in ipairs(self.proxy.doors) do
    slots[door] = number
  end
  local runs = model.runs(temp.read(self.dir .. "/journal"))
  for _, it in ipairs(runs) do
    it.slot = slots[it.server]
  end
  local held = wire.reservations(wire.connections(temp.read(self.proxy.record)), model.number_of)
  local left, all = look(self)
  return { puts = self.puts, deeds = self.deeds, runs = runs, reservations = held.reservations, strays = held.strays,
    left = left, foreign = all - size(left) }
end

--- Lets chaos rage for so long, heals, drains, and judges. Returns the checker's report, with `seed`, `kicked`, `deeds`
--- (as the checker has them), and what was recorded: `wire` and `journal` (paths), `logs` (a text for each worker).
function run.run(seconds, seed)
  local self = prepare(seconds, seed)
  rage(self)
  drain(self)
  local report = checker.check(collect(self))
  report.seed, report.kicked, report.deeds, report.logs = seed, self.kicked, self.deeds, {}
  report.wire, report.journal = self.proxy.record, self.dir .. "/journal"
  for _, slot in ipairs(self.fleet.slots) do
    report.logs[slot.number] = fleets.log_of(slot)
  end
  return report
end

-- How often each `what` is in the list, the most frequent first.
local function tally(list)
  local counts, lines = {}, {}
  for _, it in ipairs(list) do
    counts[it.what] = (counts[it.what] or 0) + 1
  end
  for what, number in pairs(counts) do
    table.insert(lines, ("  %6d %s"):format(number, what))
  end
  table.sort(lines, function(a, b) return a > b end)
  return table.concat(lines, "\n")
end

--- The report as text, with the first violations of each sort.
function run.describe(report)
  local lines = {
    ("seed %d: %d jobs, %d runs, %d kicked"):format(report.seed, report.jobs, report.runs, report.kicked),
    "deeds:", tally(report.deeds),
    ("given out again after a run: %d, because"):format(report.repeats), tally(report.explained),
    ("%d violations"):format(#report.violations), tally(report.violations),
  }
  local shown = {}
  for _, it in ipairs(report.violations) do
    shown[it.what] = (shown[it.what] or 0) + 1
    if shown[it.what] <= SHOWN then
      table.insert(lines, ("  %s: %s"):format(it.what, it.text))
    end
  end
  return table.concat(lines, "\n")
end

return run
