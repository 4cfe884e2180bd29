--- Connections that outlive a job: opened when they are first needed, checked before each job that uses them, opened
--- again when they are dead, closed when they are idle.
---
---     connection.define("cache", {
---       open = function() return redis.connect("127.0.0.1", 6379) end,
---       ping = function(client) return client:ping() end,
---     })
---
---     return function(job)
---       connection.get("cache"):incr("jobs")
---     end
---
--- Each executor has its own. A job that needs one whose server cannot be reached has not failed: it is put back, and
--- runs again later.
local dispatch = require "lunastalk.dispatch"
local host = require "lunastalk.host"
local log = require "lunastalk.log"
local text = require "lunastalk.text"

local concat, error, find, format, getinfo, max, min, next, pcall, sort, type = table.concat, error, string.find,
  string.format, debug.getinfo, math.max, math.min, next, pcall, table.sort, type
local debug, info, notice, warning = log.debug, log.info, log.notice, log.warning
local afterwards, has_ended, running, unavailable = dispatch.afterwards, dispatch.has_ended, dispatch.running,
  dispatch.unavailable
local clock, ring, suggest, of = host.clock, host.ring, host.suggest, text.of

local NAME, WHY = 100, 1024 -- bytes
local IDLE, IDLE_MOST = 60, 7 * 24 * 60 * 60 -- seconds, as all times here
local TRY_EVERY = 1 -- a server that is away is not asked more often
local DELAY_MOST = 60 -- of a job that found it away

local known = { open = "function", ping = "function", close = "function", idle = "number" }

local connection = {}
local defined, names = {}, {} -- names are sorted

-- What a function of the user's returned, or nil and why there is nothing.
local function attempt(f, ...)
  local fine, result, why = pcall(f, ...)
  if fine and result then
    return result
  elseif not fine and running() and has_ended(result) then
    error(result, 0) -- another connection that this one needs is away
  end
  return nil, not fine and of(result, WHY) or why ~= nil and of(why, WHY) or nil
end

local function shut(self, why, write)
  local live = self.live
  self.live = nil
  -- Before it is done: a close that hangs is the one that was announced last.
  write("connection {connection} is closed: {why}",
    { connection = self.name, why = why, opened = self.opened, reopened = self.reopened, jobs = self.jobs })
  local _, problem = attempt(self.close, live)
  if problem then -- of what is dead, nothing else can be expected
    (write == info and warning or debug)("connection {connection} was not closed well: {why}",
      { connection = self.name, why = problem })
  end
end

-- Closes those that are idle, or all; returns the seconds until the next one may be, if any is open. One that has a
-- `job` is used by it.
local function rest(leaving)
  local now, wait = clock(), nil
  for _, name in next, names do
    local self = defined[name]
    local left = self.job and self.idle or self.used + self.idle - now
    if self.live and (leaving or left <= 0) then
      shut(self, leaving and "the executor ends" or format("idle for %g s", self.idle), info)
    elseif self.live then
      wait = min(wait or left, left)
    end
  end
  if leaving then
    local all = defined
    defined, names = {}, {}
    for name, self in next, all do
      if self.lasting then
        defined[name], names[#names + 1] = self, name
      end
    end
    sort(names)
  end
  return wait
end

host.rung(rest)

-- Idle is counted from the end of the last job.
local function after_job(job)
  for _, self in next, defined do
    if self.job == job then
      self.used, self.job = clock(), nil
    end
  end
end

-- How long a job waits grows with the outage, so it runs again when that has doubled.
local function give_up(self)
  unavailable(min(max(clock() - self.away, 1), DELAY_MOST), format("connection %s: %s", self.name, self.problem))
end

local function open(self)
  if self.away and clock() < self.tried + TRY_EVERY then
    give_up(self)
  end
  local live, problem = attempt(self.open)
  if not live then
    self.problem, self.tried = problem or "open returned nothing", clock()
    if not self.away then
      self.away = self.tried
      warning("connection {connection} cannot be opened: {why}; until it can, jobs that need it are put back",
        { connection = self.name, why = self.problem })
    end
    give_up(self)
  end
  debug("connection {connection} is open", { connection = self.name })
  if self.away then
    notice("connection {connection} is back after {outage} s",
      { connection = self.name, outage = tonumber(format("%.1f", clock() - self.away)) })
  end
  self.live, self.away, self.opened, self.job = live, nil, self.opened + 1, running() -- so that rest() lets it be
  ring(rest())
end

-- Open and alive; else the job ends here.
local function ensure(self)
  local fine, problem = self.live, nil
  if fine then
    fine, problem = attempt(self.ping, self.live)
  end
  if self.live and not fine then
    notice("connection {connection} is dead, and is opened again: {why}",
      { connection = self.name, why = problem or "its ping returned nothing" })
    shut(self, "it is dead", debug)
    self.reopened = self.reopened + 1
  end
  if not self.live then
    open(self)
  end
end

local function check_options(name, options)
  if type(options) ~= "table" then
    error(format("connection.define: the options of %s are a table { open = function() … end }, not %s", name,
      of(options, 100)), 3)
  end
  for key, value in next, options do
    if not known[key] then
      error(format("connection.define: there is no option %s: there are open, ping, close and idle", of(key, 100)), 3)
    elseif type(value) ~= known[key] then
      error(format("connection.define: %s of %s must be a %s, not %s", key, name, known[key], of(value, 100)), 3)
    end
  end
  if not options.open then
    error(format("connection.define: %s has no function open", name), 3)
  end
  local idle = options.idle or IDLE
  if not (idle > 0 and idle <= IDLE_MOST) then
    error(format("connection.define: idle of %s must be seconds above 0, a week (%d) at most, not %s", name, IDLE_MOST,
      of(idle, 100)), 3)
  end
end

local function check_name(name)
  if type(name) ~= "string" or #name > NAME or not find(name, "^[%w_.:-]+$") then
    error(format("connection.define: a name is made of letters, digits and _ . : -, %d at most, not %s", NAME,
      of(name, 100)), 3)
  elseif running() then
    error(format("connection.define: define %s outside of functions, so that it is done once, before the jobs", name),
      3)
  elseif defined[name] then
    error(format("connection.define: %s was defined before, at %s", name, defined[name].place), 3)
  end
end

local function lives() return true end

---@class lunastalk.Connection What connection.define() takes
---@field open fun(): any returns the connection; nil and a message, or an error: it cannot be reached
--- whether it is alive: what `open` returned. False, nil or an error: it is closed, and opened again. Without `ping` it
--- always passes for alive
---@field ping? fun(connection: any): boolean
---@field close? fun(connection: any) a clean goodbye; without it Lua's collector does what it does
---@field idle? number seconds without a job that used it, after which it is closed: 60

--- Tells how a connection is made. Call it outside of functions, where it is run once: in a file of `jobs/lib`, in
--- `_bootstrap.lua`, or in a handler's file. Nothing is opened yet.
---@param name string
---@param options lunastalk.Connection
function connection.define(name, options)
  check_name(name)
  check_options(name, options)
  local where = getinfo(2, "Sl")
  defined[name] = {
    name = name, place = format("%s:%d", where.short_src, where.currentline), open = options.open,
    ping = options.ping or lives, close = options.close or lives, idle = options.idle or IDLE, used = 0,
    lasting = host.lasting and host.lasting(), -- by a spec: lunastalk.testing
    opened = 0, reopened = 0, jobs = 0,
  }
  names[#names + 1] = name
  sort(names)
end

local function unknown(name)
  local closest = type(name) == "string" and suggest(name, names)
  return format("connection.get: there is no connection %s%s; defined %s", of(name, 100),
    closest and format(", did you mean %s?", closest) or "",
    #names == 0 and "are none" or (#names == 1 and "is " or "are ") .. concat(names, ", "))
end

--- The connection, which was alive when the job first asked for it. Where it cannot be opened the job ends here, and
--- is put back without counting a failure: a `pcall` around it changes nothing.
---@param name string
---@return any connection what its `open` returned
function connection.get(name)
  local self = defined[name]
  if not self then
    error(unknown(name), 2)
  end
  local job = running()
  if not job then
    error(format("connection.get: no job runs: get %s in the function that needs it", name), 2)
  end
  if host.connection then -- in a spec: lunastalk.testing
    local given, fake = host.connection(name)
    if given then
      return fake
    end
  end
  if self.job ~= job or not self.live then
    ensure(self)
    self.job, self.jobs = job, self.jobs + 1
    afterwards(after_job)
  end
  return self.live
end

return connection
