--- What goes wrong in a chaos run. Each deed is decided by the seed, done at once, and noted with its time; what ends
--- later (a stopped process goes on, a server comes back) is on an agenda.
local fleets = require "spec.support.chaos.fleet"
local signal = require "posix.signal"
local wait = require "spec.support.wait"

local nemesis = {}
nemesis.__index = nemesis

local GAP = { 0.02, 0.3 } -- seconds between two deeds

--- options: fleet, server (spec.support.beanstalkd), proxy, random, note(what, pid, slot, seconds): keeps each deed.
function nemesis.new(options)
  return setmetatable({ options = options, agenda = {}, next_at = wait.now(), server_up = true }, nemesis)
end

local function later(self, seconds, act)
  table.insert(self.agenda, { at = wait.now() + seconds, act = act })
end

-- Mostly short, sometimes longer than a TTR, seldom longer than the worker waits for a reply.
local function some_time(random)
  local kind = random:next()
  return kind < 0.6 and random:seconds(0.05, 1) or kind < 0.9 and random:seconds(1, 3.5) or random:seconds(5, 7)
end

local function freeze(self, what, pid, slot)
  local seconds = some_time(self.options.random)
  self.options.note(what, pid, slot, seconds)
  signal.kill(pid, signal.SIGSTOP)
  later(self, seconds, function()
    signal.kill(pid, signal.SIGCONT)
  end)
end

local function end_worker(number, what)
  return function(self)
    local slot = self.options.fleet:some(self.options.random)
    if slot then
      slot.ended_by = what
      self.options.note(what, slot.process.pid, slot.number)
      slot.process:kill(number)
    end
  end
end

local function to_executor(act)
  return function(self)
    local slot = self.options.fleet:some(self.options.random)
    local pid = slot and fleets.executor(slot, self.options.random)
    if pid then
      act(self, pid, slot.number)
    end
  end
end

local deeds = {
  { weight = 4, act = end_worker(signal.SIGKILL, "kill worker") },
  { weight = 2, act = end_worker(signal.SIGTERM, "stop worker") },
  { weight = 6, act = to_executor(function(self, pid, slot)
    self.options.note("kill executor", pid, slot)
    signal.kill(pid, signal.SIGKILL)
  end) },
  { weight = 4, act = to_executor(function(self, pid, slot)
    freeze(self, "pause executor", pid, slot)
  end) },
  { weight = 4, act = function(self)
    local slot = self.options.fleet:some(self.options.random)
    if slot then
      freeze(self, "pause worker", slot.process.pid, slot.number)
    end
  end },
  { weight = 2, act = function(self)
    local server, random = self.options.server, self.options.random
    self.server_up = false
    self.options.note "restart server"
    server:stop(random:next() < 0.5 and signal.SIGKILL or signal.SIGTERM)
    later(self, random:seconds(0, 1.5), function()
      server:start_again()
      self.server_up = true
    end)
  end, needs_server = true },
  { weight = 1, act = function(self)
    local server, seconds = self.options.server, some_time(self.options.random)
    self.server_up = false
    self.options.note("pause server", nil, nil, seconds)
    server:pause()
    later(self, seconds, function()
      server:continue()
      self.server_up = true
    end)
  end, needs_server = true },
  { weight = 4, act = function(self)
    local number = self.options.proxy:cut "now"
    self.options.note("cut now", number)
  end },
  { weight = 4, act = function(self)
    local number = self.options.proxy:cut "up"
    self.options.note("cut up", number)
  end },
  { weight = 4, act = function(self)
    local number = self.options.proxy:cut "down"
    self.options.note("cut down", number)
  end },
  { weight = 2, act = function(self)
    local seconds = some_time(self.options.random)
    local number = self.options.proxy:freeze(seconds)
    self.options.note("freeze connection", number, nil, seconds)
  end },
}

local function work_off(self, now)
  for i = #self.agenda, 1, -1 do
    if self.agenda[i].at <= now then
      table.remove(self.agenda, i).act()
    end
  end
end

--- Does what is due.
function nemesis:act()
  local now, random = wait.now(), self.options.random
  work_off(self, now)
  if now < self.next_at then
    return
  end
  self.next_at = now + random:seconds(unpack(GAP))
  local deed = random:pick(deeds)
  if self.server_up or not deed.needs_server then
    deed.act(self)
  end
end

--- Everything goes on, and nothing bad happens any more.
function nemesis:heal()
  self.options.proxy:heal()
  work_off(self, math.huge)
  self.options.note "heal"
end

return nemesis
