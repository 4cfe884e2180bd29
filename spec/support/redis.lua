--- A real Redis on a free port of 127.0.0.1 (or on a unix socket), which keeps nothing.
local beanstalkd = require "spec.support.beanstalkd"
local process = require "spec.support.process"
local signal = require "posix.signal"
local socket = require "socket"
local temp = require "spec.support.temp"
local unix = require "socket.unix"
local wait = require "spec.support.wait"

local redis = {}
redis.__index = redis

local client = {}
client.__index = client

local function read_reply(conn)
  local line = assert(conn:receive())
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then
    return rest
  elseif kind == "-" then
    return nil, rest
  elseif kind == ":" then
    return tonumber(rest)
  elseif kind == "$" then
    return rest ~= "-1" and assert(conn:receive(tonumber(rest) + 2)):sub(1, -3) or nil
  end
  local list = {}
  for i = 1, tonumber(rest) do
    list[i] = read_reply(conn)
  end
  return rest ~= "-1" and list or nil
end

--- Sends a command and returns its answer: a text, a number, a list, nil; nil and a message when Redis refuses it.
function client:call(...)
  local words = { ... }
  local out = { ("*%d\r\n"):format(#words) }
  for _, word in ipairs(words) do
    word = tostring(word)
    table.insert(out, ("$%d\r\n%s\r\n"):format(#word, word))
  end
  assert(self.conn:send(table.concat(out)))
  return read_reply(self.conn)
end

--- A hash as a table.
function client:hash(key)
  local list, found = assert(self:call("HGETALL", key)), {}
  for i = 1, #list, 2 do
    found[list[i]] = list[i + 1]
  end
  return found
end

function client:close()
  self.conn:close()
end

local function connect(self)
  local conn = self.path and unix() or socket.tcp()
  conn:settimeout(10)
  if not (self.path and conn:connect(self.path) or not self.path and conn:connect("127.0.0.1", self.port)) then
    return nil
  end
  return setmetatable({ conn = conn }, client)
end

local function answers(self)
  local one = connect(self)
  local answer = one and { one:call "PING" }
  if one then
    one:close()
  end
  return answer and (answer[1] or answer[2]) -- a refusal (NOAUTH) is an answer too
end

-- False when another process took the port in the meantime.
local function launch(self)
  self.process = process.spawn(self.argv, { cwd = self.dir })
  return wait.eventually(10, function()
    if not self.process:running() then
      return "ended"
    end
    return answers(self) and "answers"
  end, "an answer of Redis on " .. self.address) == "answers"
end

--- Starts one and waits until it answers. options: unix (true); args (a list of its own). Fields: address, port,
--- process.
function redis.start(options)
  options = options or {}
  for _ = 1, 5 do
    local self = setmetatable({ dir = temp.dir(), port = options.unix and 0 or beanstalkd.free_port() }, redis)
    self.path = options.unix and self.dir .. "/redis.sock" or nil
    self.address = self.path and "unix:" .. self.path or "127.0.0.1:" .. self.port
    self.argv = {
      "redis-server", "--bind", "127.0.0.1", "--port", tostring(self.port), "--save", "", "--appendonly", "no",
    }
    for _, list in ipairs { self.path and { "--unixsocket", self.path } or {}, options.args or {} } do
      for _, argument in ipairs(list) do
        table.insert(self.argv, tostring(argument))
      end
    end
    if launch(self) then
      return self
    end
  end
  error "Redis does not start"
end

--- A connection of its own.
function redis:client()
  return assert(connect(self))
end

--- Ends it (SIGTERM, or the signal given) and waits.
function redis:stop(number)
  self.process:kill(number or signal.SIGTERM)
  self.process:wait(10)
end

--- Starts it again at the same address after :stop().
function redis:start_again()
  assert(launch(self), "Redis does not start again on " .. self.address)
end

return redis
