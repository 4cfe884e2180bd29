--- A small beanstalkd client of our own, so that specs do not look at the server through the code under test.
--- Ids are strings. What the server refuses is nil and its reply.
local socket = require "socket"
local unix = require "socket.unix"

local client = {}
client.__index = client

local function connect(address)
  local path = address:match "^unix:(.*)"
  if path then
    local connection = unix()
    local ok, problem = connection:connect(path)
    return ok and connection, problem
  end
  local host, port = address:match "^(.*):(%d+)$"
  local connection, problem = socket.connect(host, port)
  if connection then
    connection:setoption("tcp-nodelay", true)
  end
  return connection, problem
end

--- Connects to "host:port" or "unix:path". nil and the reason when it cannot.
function client.connect(address, seconds)
  local connection, problem = connect(address)
  if not connection then
    return nil, problem
  end
  connection:settimeout(seconds or 10)
  return setmetatable({ socket = connection }, client)
end

function client:send(bytes)
  assert(self.socket:send(bytes))
end

--- The next line, without its CR LF.
function client:line()
  return (assert(self.socket:receive "*l"):gsub("\r$", ""))
end

--- The next `size` bytes and the CR LF behind them.
function client:body(size)
  local body = assert(self.socket:receive(size + 2))
  assert(body:sub(-2) == "\r\n", "no CR LF behind a body")
  return body:sub(1, -3)
end

--- Sends one command (and the body behind it); the reply's line, and the body behind it if it has one.
function client:command(line, body)
  self:send(line .. "\r\n" .. (body and body .. "\r\n" or ""))
  local reply = self:line()
  local size = reply:match "^OK (%d+)$" or reply:match "^RESERVED %d+ (%d+)$" or reply:match "^FOUND %d+ (%d+)$"
  return reply, size and self:body(tonumber(size))
end

local function expect(pattern, reply, body)
  local found = reply:match(pattern)
  if not found then
    return nil, reply
  end
  return found, body
end

local function yaml_value(text)
  return text:match '^"(.*)"$' or (text:find "^%-?%d+%.?%d*$" and tonumber(text)) or text
end

local function yaml(found, body)
  if not found then
    return nil, body
  end
  local values = {}
  for key, value in body:gmatch "([%w-]+): ([^\n]*)\n" do
    values[key] = key == "id" and value or yaml_value(value)
  end
  for value in body:gmatch "\n%- ([^\n]*)" do
    table.insert(values, value)
  end
  return values
end

--- options: tube (default), priority (1024), delay (0), ttr (60). Returns the id.
function client:put(body, options)
  options = options or {}
  assert(self:use(options.tube or "default"))
  local line = ("put %d %d %d %d"):format(options.priority or 1024, options.delay or 0, options.ttr or 60, #body)
  return expect("^INSERTED (%d+)$", self:command(line, body))
end

--- Returns id and body; nil and TIMED_OUT or DEADLINE_SOON.
function client:reserve(seconds)
  self.socket:settimeout((seconds or 0) + 10)
  return expect("^RESERVED (%d+) ", self:command("reserve-with-timeout " .. (seconds or 0)))
end

function client:peek(id)
  local _, body = self:command("peek " .. id)
  return body
end

--- The next job of that state ("ready", "delayed", "buried"): id and body, or nil.
function client:peek_state(state, tube)
  self:use(tube or "default")
  return expect("^FOUND (%d+) ", self:command("peek-" .. state))
end

function client:kick(bound, tube)
  self:use(tube or "default")
  return tonumber((expect("^KICKED (%d+)$", self:command("kick " .. bound))))
end

function client:release(id, priority, delay)
  return expect("^RELEASED$", self:command(("release %s %d %d"):format(id, priority or 1024, delay or 0)))
end

function client:bury(id, priority)
  return expect("^BURIED$", self:command(("bury %s %d"):format(id, priority or 1024)))
end

--- Commands of one word and one argument, true when the reply is the expected one.
for name, reply in pairs {
  delete = "DELETED",
  kick_job = "KICKED",
  touch = "TOUCHED",
  use = "USING .*",
  watch = "WATCHING %d+",
  ignore = "WATCHING %d+",
} do
  client[name] = function(self, argument)
    return expect("^" .. reply .. "$", self:command(name:gsub("_", "-") .. " " .. argument))
  end
end

function client:stats()
  return yaml(expect("^OK", self:command "stats"))
end

function client:stats_tube(tube)
  return yaml(expect("^OK", self:command("stats-tube " .. tube)))
end

function client:stats_job(id)
  return yaml(expect("^OK", self:command("stats-job " .. id)))
end

function client:list_tubes()
  return yaml(expect("^OK", self:command "list-tubes"))
end

--- How many jobs of a tube are where; zeros for a tube that the server does not know.
function client:jobs(tube)
  local stats = self:stats_tube(tube or "default") or {}
  local jobs = {}
  for _, state in ipairs { "ready", "reserved", "delayed", "buried" } do
    jobs[state] = stats["current-jobs-" .. state] or 0
  end
  return jobs
end

function client:close()
  self.socket:close()
end

return client
