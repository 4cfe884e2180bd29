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

--- Asserts that nobody connects for that long.
function fake:expect_nobody(seconds)
  self.listener:settimeout(seconds)
  if self.listener:accept() then
    error("a connection that nobody expected", 2)
  end
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

--- The next lines, as many as `count`, joined by "|".
function conn:lines(count, seconds)
  local lines = {}
  for i = 1, count do
    lines[i] = self:line(seconds)
  end
  return table.concat(lines, "|")
end

--- What came in one piece: the next write of the other side, as its lines joined by "|".
function conn:chunk(seconds)
  if self.buffer == "" then
    local ok, problem = receive(self, wait.now() + (seconds or 10))
    if not ok then
      error("nothing more came: " .. problem, 2)
    end
  end
  local chunk = self.buffer
  self.buffer = ""
  return (chunk:gsub("\r\n$", ""):gsub("\r\n", "|"))
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

--- Asserts that the other side closes or resets the connection; returns what it sent before.
function conn:expect_closed(seconds)
  local deadline = wait.now() + (seconds or 10)
  local ok, problem
  repeat
    ok, problem = receive(self, deadline)
  until not ok
  if problem ~= "closed" then
    error("expected the connection to be closed", 2)
  end
  return self.buffer
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

--- The reply to `reserve`.
function fake.reserved(id, body)
  return ("RESERVED %d %d\r\n%s\r\n"):format(id, #body, body)
end

--- The reply to `stats-job`. values: tube ("default"), pri (1024), age, buries (0).
function fake.stats_job(values)
  local yaml = "---\n"
  for key, default in pairs { tube = '"default"', pri = 1024, ttr = 60, age = 0, buries = 0 } do
    yaml = ("%s%s: %s\n"):format(yaml, key, values and values[key] or default)
  end
  return ("OK %d\r\n%s\r\n"):format(#yaml, yaml)
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

--- The next command. A burst is not what is looked at here: `reserve-with-timeout 0` is answered TIMED_OUT.
function conn:command(seconds)
  while true do
    local line = self:line(seconds)
    if line == "reserve-with-timeout 0" then
      self:send "TIMED_OUT\r\n"
    elseif line:find "^touch %d+$" then
      self:send "TOUCHED\r\n" -- a job that takes longer than half a second is kept
    else
      return line
    end
  end
end

--- The next command, which must be this one; answers it with `reply`, if there is one.
function conn:answer(command, reply, seconds)
  local line = self:command(seconds)
  if line ~= command and line:find "^stats%-job %d+$" then
    self:send(fake.stats_job()) -- behind it comes a touch
    line = self:command(seconds)
  end
  if line ~= command then
    error(("expected %q, got %q"):format(command, line), 2)
  end
  if reply then
    self:send(reply)
  end
end

--- Waits until the other side waits for a job, and gives it this one.
function conn:give(id, body, seconds)
  local line = self:command(seconds)
  assert(line:find "^reserve%-with%-timeout", line)
  self:send(fake.reserved(id, body))
end

--- Gives a job and sees it deleted.
function conn:serve_job(id, body, seconds)
  self:give(id, body, seconds)
  self:answer("delete " .. id, "DELETED\r\n", seconds)
end

return fake
