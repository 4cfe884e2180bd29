--- A beanstalkd that does exactly what the spec says, step by step: splits, drips, garbage, silence, resets.
local cleanup = require "spec.support.cleanup"
local socket = require "socket"
local wait = require "spec.support.wait"

local fake = {}
fake.__index = fake
local conn = {}
conn.__index = conn

--- Listens on 127.0.0.1. options: port (a free one), backlog. Fields: port, address.
function fake.listen(options)
  options = options or {}
  local listener = assert(socket.bind("127.0.0.1", options.port or 0, options.backlog))
  local _, port = listener:getsockname()
  cleanup(function()
    listener:close()
  end)
  return setmetatable({ listener = listener, port = tonumber(port), address = "127.0.0.1:" .. port }, fake)
end

--- The next connection, or an error after `seconds`.
function fake:accept(seconds)
  self.listener:settimeout(seconds or 10)
  local accepted, problem = self.listener:accept()
  if not accepted then
    error("no connection: " .. problem, 2)
  end
  accepted:setoption("tcp-nodelay", true)
  local self_conn = setmetatable({ socket = accepted, buffer = "" }, conn)
  cleanup(function()
    accepted:close()
  end)
  return self_conn
end

--- Refuses connections from now on.
function fake:close()
  self.listener:close()
end

-- Receives more; nil and "closed" or "timeout".
local function receive(self, deadline)
  self.socket:settimeout(math.max(deadline - wait.now(), 0))
  local bytes, problem, part = self.socket:receive(1)
  bytes = bytes or part
  if bytes == "" then
    return nil, problem == "timeout" and problem or "closed"
  end
  self.socket:settimeout(0)
  local rest, _, partly = self.socket:receive(65536)
  self.buffer = self.buffer .. bytes .. (rest or partly)
  return true
end

-- Takes what matches `pattern` (anchored, one capture) off the front of what came.
local function take(self, pattern, seconds, what)
  local deadline = wait.now() + (seconds or 10)
  while true do
    local _, last, found = self.buffer:find(pattern)
    if last then
      self.buffer = self.buffer:sub(last + 1)
      return found
    end
    local ok, problem = receive(self, deadline)
    if not ok then
      error(("%s: %s (have %q)"):format(what, problem, self.buffer), 3)
    end
  end
end

--- The next line (without CR LF).
function conn:line(seconds)
  return take(self, "^([^\n]-)\r\n", seconds, "no line")
end

--- The next line, which must match the Lua pattern; returns the captures, or the line.
function conn:expect_line(pattern, seconds)
  local line = take(self, "^([^\n]-)\r\n", seconds, "no line that matches " .. pattern)
  if not line:find(pattern) then
    error(("expected a line that matches %s, got %q"):format(pattern, line), 2)
  end
  return line:match(pattern)
end

--- The next `size` bytes, for the body of a put.
function conn:bytes(size, seconds)
  while #self.buffer < size do
    local ok, problem = receive(self, wait.now() + (seconds or 10))
    if not ok then
      error(("no %d bytes: %s"):format(size, problem), 2)
    end
  end
  local bytes = self.buffer:sub(1, size)
  self.buffer = self.buffer:sub(size + 1)
  return bytes
end

--- Asserts that nothing comes for that long.
function conn:expect_silence(seconds)
  local ok, problem = receive(self, wait.now() + seconds)
  if ok or problem ~= "timeout" then
    error(("expected silence, got %s"):format(ok and ("%q"):format(self.buffer) or problem), 2)
  end
end

--- Asserts that the other side closes or resets the connection; what it sent before is dropped.
function conn:expect_closed(seconds)
  local deadline = wait.now() + (seconds or 10)
  local ok, problem
  repeat
    ok, problem = receive(self, deadline)
  until not ok
  if problem ~= "closed" then
    error("expected the connection to be closed", 2)
  end
end

function conn:send(bytes)
  assert(self.socket:send(bytes))
end

--- One byte per segment, `gap` seconds apart (1 ms), so that the other side reads them one by one.
function conn:drip(bytes, gap)
  for i = 1, #bytes do
    assert(self.socket:send(bytes, i, i))
    wait.pause(gap or 0.001)
  end
end

--- RST instead of FIN.
function conn:reset()
  self.socket:setoption("linger", { on = true, timeout = 0 })
  self.socket:close()
end

function conn:close()
  self.socket:close()
end

--- The reply to `stats`. values: version ("1.12"), id.
function fake.stats(values)
  local yaml = ('---\nversion: "%s"\nid: %s\nhostname: fake\n'):format(
    values and values.version or "1.12", values and values.id or "f00df00df00df00d")
  return ("OK %d\r\n%s\r\n"):format(#yaml, yaml)
end

local SETUP = {
  watch = function() return "WATCHING 1\r\n" end,
  ignore = function() return "WATCHING 1\r\n" end,
  use = function(tube) return "USING " .. tube .. "\r\n" end,
  stats = function(_, values) return fake.stats(values) end,
}

--- Answers what a worker says on each new connection: watch and ignore in any order, and stats. Returns the lines.
--- values: as in fake.stats.
function conn:serve_setup(values, seconds)
  local lines, answered = {}, false
  while not answered or self.buffer:match "^watch " or self.buffer:match "^ignore " do
    local line = self:line(seconds)
    local verb, argument = line:match "^(%S+) ?(.*)$"
    assert(SETUP[verb], "not a command of the set-up: " .. line)
    self:send(SETUP[verb](argument, values))
    table.insert(lines, line)
    answered = answered or verb == "stats"
  end
  return lines
end

return fake
