-- The program behind spec.support.proxy: luajit spec/support/proxy_main.lua UPSTREAM DOORS RECORD SEED
--
-- Passes connections on to beanstalkd, and writes each chunk down before it goes on: a cause stands before its effect.
-- An entry is a line "TIME CONNECTION WHAT …", and the bytes behind it where it names a size:
--   open DOOR | up SIZE (to the server) | down SIZE | freeze SECONDS | close WHO (client, server, cut, refused, stop)
local socket = require "socket"
local wait = require "spec.support.wait"

local CHUNK = 65536
local WAITING = 64 -- connections not yet accepted
local host, port = arg[1]:match "^(.*):(%d+)$"
local record = assert(io.open(arg[3], "wb"))
local connections, doors, next_id = {}, {}, 1
local ends = {} -- socket → { connection, "up" or "down" }, of those that are open

record:setvbuf "full"
math.randomseed(tonumber(arg[4]))

local function write(connection, what, bytes)
  record:write(("%.6f %d %s\n"):format(wait.now(), connection.id, what), bytes or "")
end

local function close(connection, who, reset)
  write(connection, "close " .. who)
  for _, side in ipairs { connection.client, connection.server } do
    if reset then
      side:setoption("linger", { on = true, timeout = 0 })
    end
    ends[side] = nil
    side:close()
  end
  connections[connection.id] = nil
end

local function accept(door)
  local client = door.listener:accept()
  if not client then
    return
  end
  local connection = { id = next_id, client = client, pending = { up = "", down = "" }, frozen = 0 }
  next_id = next_id + 1
  write(connection, "open " .. door.number)
  connection.server = socket.connect(host, port)
  if not connection.server then
    connection.server = client
    close(connection, "refused", true)
    return
  end
  for side, direction in pairs { [client] = "up", [connection.server] = "down" } do
    side:setoption("tcp-nodelay", true)
    side:settimeout(0)
    ends[side] = { connection = connection, direction = direction }
  end
  connection.target = { up = connection.server, down = client }
  connections[connection.id] = connection
end

local function push(connection, direction)
  local bytes = connection.pending[direction]
  local last, _, partly = connection.target[direction]:send(bytes)
  connection.pending[direction] = bytes:sub((last or partly or 0) + 1)
end

-- A doomed connection loses its life in the middle of what goes that way.
local function pass(connection, direction, bytes)
  local doomed = connection.doom == direction
  if doomed then
    bytes = bytes:sub(1, math.random(0, #bytes))
  end
  connection.pending[direction] = connection.pending[direction] .. bytes
  push(connection, direction)
  if doomed then
    close(connection, "cut")
  end
end

local function pump(side)
  local connection, direction = ends[side].connection, ends[side].direction
  local bytes, problem, part = side:receive(CHUNK)
  bytes = bytes or part
  if bytes ~= "" then
    write(connection, direction .. " " .. #bytes, bytes)
    pass(connection, direction, bytes)
  end
  if problem == "closed" and connections[connection.id] then
    close(connection, direction == "up" and "client" or "server")
  end
end

local function some_connection()
  local ids = {}
  for id in pairs(connections) do
    table.insert(ids, id)
  end
  table.sort(ids)
  return connections[ids[math.random(math.max(#ids, 1))]]
end

local commands = {}

function commands.cut(how)
  local connection = some_connection()
  if not connection then
    return "none"
  elseif how == "now" then
    close(connection, "cut", math.random(2) == 1)
  else
    connection.doom = how
  end
  return tostring(connection.id)
end

function commands.freeze(seconds)
  local connection = some_connection()
  if not connection then
    return "none"
  end
  connection.frozen = wait.now() + seconds
  write(connection, "freeze " .. seconds)
  return tostring(connection.id)
end

-- Nothing bad happens any more.
function commands.heal()
  for _, connection in pairs(connections) do
    connection.doom, connection.frozen = nil, 0
  end
  return "healed"
end

function commands.stop()
  for _, connection in pairs(connections) do
    close(connection, "stop")
  end
  record:close()
  return "stopped"
end

local function listen(name)
  local listener = assert(socket.bind("127.0.0.1", 0, WAITING))
  local _, number = listener:getsockname()
  print(name .. " " .. number)
  return listener
end

local function obey(control)
  local line = control:receive "*l"
  local name, argument = assert(line, "the control connection is gone"):match "^(%S+) ?(.*)$"
  control:send(commands[name](argument) .. "\n")
  if name == "stop" then
    os.exit(0)
  end
end

-- What may be read and written now, and how long until a frozen connection thaws.
local function interests(control)
  local reading, writing, soonest, now = { control }, {}, nil, wait.now()
  for listener in pairs(doors) do
    table.insert(reading, listener)
  end
  for side, its in pairs(ends) do
    local connection = its.connection
    if connection.frozen > now then
      soonest = math.min(soonest or connection.frozen, connection.frozen)
    else
      table.insert(reading, side)
      if connection.pending[its.direction == "up" and "down" or "up"] ~= "" then
        table.insert(writing, side)
      end
    end
  end
  return reading, writing, soonest and math.max(soonest - now, 0.001)
end

local waiting = listen "control"
for number = 1, tonumber(arg[2]) do
  local listener = listen "door"
  listener:settimeout(0)
  doors[listener] = { listener = listener, number = number }
end
print "ready"
io.stdout:flush()
local control = waiting:accept()
while true do
  local readable, writable = socket.select(interests(control))
  for _, side in ipairs(writable) do
    if ends[side] then
      push(ends[side].connection, ends[side].direction == "up" and "down" or "up")
    end
  end
  for _, side in ipairs(readable) do
    if side == control then
      obey(control)
    elseif doors[side] then
      accept(doors[side])
    elseif ends[side] then
      pump(side)
    end
  end
end
