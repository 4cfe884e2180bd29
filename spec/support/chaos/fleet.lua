--- The workers of a chaos run: one per door of the proxy, started again whenever they have gone.
local process = require "spec.support.process"
local signal = require "posix.signal"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local fleet = {}
fleet.__index = fleet

--- options: doors (addresses), dir (the project), log(what, pid, slot): told of each start and end, and of workers that
--- end although nobody ended them. Field: env, of the workers started from then on.
function fleet.new(options)
  local self = setmetatable({ slots = {}, options = options }, fleet)
  for number, door in ipairs(options.doors) do
    self.slots[number] = { number = number, door = door, start_at = 0, outputs = {} }
  end
  return self
end

local function start(self, slot)
  slot.process = worker.start { dir = self.options.dir,
    args = { tostring(slot.number), "--beanstalkd=" .. slot.door }, env = self.env }
  slot.ended_by = nil
  table.insert(slot.outputs, slot.process)
  self.options.log("start", slot.process.pid, slot.number)
end

-- How it may end: by our KILL, by our TERM before it handles it, with 0, or with 1 when it has cut jobs short.
local function note_end(self, slot)
  local its = slot.process
  local killed = its.reason == "killed" and (its.status == signal.SIGKILL or its.status == signal.SIGTERM)
  if not slot.ended_by or not (killed or its.reason == "exited" and its.status <= 1) then
    self.options.log(("died: %s %d"):format(its.reason, its.status), its.pid, slot.number)
  end
end

local function see_end(self, slot, now, random)
  local its = slot.process
  if its:running() then
    return
  end
  note_end(self, slot)
  slot.process, slot.start_at = nil, now + random:seconds(0, 1)
end

--- Starts what is due, notices what has ended.
function fleet:tend(random)
  local now = wait.now()
  for _, slot in ipairs(self.slots) do
    if slot.process then
      see_end(self, slot, now, random)
    elseif now >= slot.start_at then
      start(self, slot)
    end
  end
end

--- A slot whose worker lives; nil when there is none.
function fleet:some(random)
  local alive = {}
  for _, slot in ipairs(self.slots) do
    if slot.process and slot.process:running() then
      table.insert(alive, slot)
    end
  end
  return alive[1] and random:pick(alive)
end

--- The pid of an executor of the slot; nil when there is none.
function fleet.executor(slot, random)
  local pid = slot.process.pid
  local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
  local children = {}
  for child in (file and file:read "*a" or ""):gmatch "%d+" do
    table.insert(children, { tonumber(child) })
  end
  if file then
    file:close()
  end
  return children[1] and random:pick(children)[1]
end

--- Ends all gracefully, whatever state they are in, and waits.
function fleet:stop()
  for _, slot in ipairs(self.slots) do
    if slot.process then
      slot.ended_by = "stop"
      self.options.log("stop", slot.process.pid, slot.number)
      slot.process:kill(signal.SIGTERM)
      slot.process:kill(signal.SIGCONT)
    end
  end
  for _, slot in ipairs(self.slots) do
    if slot.process then
      slot.process:wait(20)
      note_end(self, slot)
      slot.process, slot.start_at = nil, 0
    end
  end
end

--- What all workers of a slot have logged.
function fleet.log_of(slot)
  local texts = {}
  for _, its in ipairs(slot.outputs) do
    table.insert(texts, its:output())
  end
  return table.concat(texts)
end

fleet.state = process.state
return fleet
