--- luajit spec/support/http_serve.lua FILE: serves on a free port of 127.0.0.1, says which, and appends each request to
--- the file as a line of JSON. What it answers is in the path:
---   /status/500   that status                       /then/503/200  the first time the one, later the other
---   /redirect     302 to the cloud's metadata       /big/70000     200 and a body of that many bytes
---   /endless      200 and a body without end        /headers       headers without end
---   /hang         nothing, for ever                 /close         closes the connection
local cjson = require "cjson"
local signal = require "posix.signal"
local socket = require "socket"
local unistd = require "posix.unistd"

local record = arg[1]

local function read_request(connection)
  local line = connection:receive "*l"
  if not line then
    return nil
  end
  local request = { headers = {}, body = "" }
  request.method, request.path = line:match "^(%u+) (%S+)"
  for header in function() return assert(connection:receive "*l") end do
    if header == "" then
      break
    end
    local name, value = header:match "^([^:]+): *(.*)$"
    request.headers[name:lower()] = value
  end
  local length = tonumber(request.headers["content-length"] or 0)
  request.body = length == 0 and "" or assert(connection:receive(length)) -- luasocket waits for 0 bytes too
  return request
end

local function reply(connection, status, headers, body)
  return connection:send(("HTTP/1.1 %s X\r\n%scontent-length: %d\r\n\r\n%s"):format(status, headers, #body, body))
end

local function send_for_ever(connection, head, piece)
  assert(connection:send(head))
  while connection:send(piece) do end
end

local answers = {
  status = function(connection, status)
    reply(connection, status, "", "")
  end,
  redirect = function(connection)
    reply(connection, "302", "location: http://169.254.169.254/latest/\r\n", "")
  end,
  big = function(connection, size)
    reply(connection, "200", "", ("x"):rep(tonumber(size)))
  end,
  endless = function(connection)
    send_for_ever(connection, "HTTP/1.1 200 OK\r\n\r\n", ("x"):rep(4096))
  end,
  headers = function(connection)
    send_for_ever(connection, "HTTP/1.1 200 OK\r\n", "x-endless: x\r\n")
  end,
  hang = function(connection)
    connection:receive "*a"
  end,
  close = function(connection)
    connection:close()
  end,
}

local function has_come(path)
  for line in io.lines(record) do
    if cjson.decode(line).path == path then
      return true
    end
  end
end

local function serve_connection(connection)
  for request in function() return read_request(connection) end do
    local what, first, later = request.path:match "^/(%w+)/?([^/]*)/?([^/?]*)"
    if what == "then" then
      what, first = "status", has_come(request.path) and later or first
    end
    local file = assert(io.open(record, "a"))
    file:write(cjson.encode(request), "\n")
    file:close()
    answers[what](connection, first)
  end
end

local listener = assert(socket.bind("127.0.0.1", 0, 256))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
print("port " .. select(2, listener:getsockname()))
io.stdout:flush()
while true do -- each connection has a process
  local connection = assert(listener:accept())
  if unistd.fork() == 0 then
    pcall(serve_connection, connection)
    unistd._exit(0)
  end
  connection:close()
end
