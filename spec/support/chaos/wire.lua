--- The record of spec.support.proxy, read: what was said on each connection, and who held which reservation.
local wire = {}

local SETTLES = { delete = true, bury = true, release = true }
local RESERVES = { reserve = true, ["reserve-with-timeout"] = true }
local HAS_BODY = { OK = true, RESERVED = true, FOUND = true }

-- Takes whole lines, and the bodies behind them, off a stream; each(line, body).
local function take(stream, bytes, size_of, each)
  stream.rest = stream.rest .. bytes
  local at = 1
  while true do
    local last = stream.rest:find("\r\n", at, true)
    local line = last and stream.rest:sub(at, last - 1)
    local size = line and size_of(line)
    local behind = last and last + 2 + (size and size + 2 or 0)
    if not last or behind > #stream.rest + 1 then
      stream.rest = stream.rest:sub(at)
      return
    end
    each(line, size and stream.rest:sub(last + 2, last + 1 + size))
    at = behind
  end
end

local function size_of_command(line)
  return tonumber(line:match "^put .* (%d+)$")
end

local function size_of_reply(line)
  local word, size = line:match "^(%S+) .-(%d+)$"
  return HAS_BODY[word] and tonumber(size)
end

local events = {}

function events.open(connection, time, door)
  connection.opened, connection.slot = time, tonumber(door)
end

function events.close(connection, time, who)
  connection.closed, connection.closer = time, who
end

function events.freeze(connection, time, seconds)
  table.insert(connection.frozen, { from = time, till = time + tonumber(seconds) })
end

function events.up(connection, time, _, bytes, place)
  take(connection.up, bytes, size_of_command, function(line)
    local verb, id = line:match "^(%S+) ?(%S*)"
    table.insert(connection.exchanges, { sent = time, sent_at = place, verb = verb, id = id })
  end)
end

function events.down(connection, time, _, bytes, place)
  take(connection.down, bytes, size_of_reply, function(line, body)
    connection.answered = connection.answered + 1
    local exchange = assert(connection.exchanges[connection.answered], "a reply to nothing: " .. line)
    exchange.reply, exchange.reserved = line:match "^(%S+) ?(%S*)"
    exchange.answered, exchange.answered_at, exchange.body = time, place, body
  end)
end

--- All connections of the record (its text), in the order of their opening: { number, slot, opened, closed, closer,
--- frozen = list of { from, till }, exchanges = list of { sent, verb, id, answered, reply, reserved, body } }.
function wire.connections(text)
  local list, by_number, at, place = {}, {}, 1, 0
  while at <= #text do
    local last = assert(text:find("\n", at, true), "the record has no end")
    local time, number, what, argument = text:sub(at, last - 1):match "^(%S+) (%d+) (%a+) ?(.*)$"
    local connection = by_number[number]
    if not connection then
      connection = { number = tonumber(number), frozen = {}, exchanges = {}, answered = 0,
        up = { rest = "" }, down = { rest = "" } }
      by_number[number] = connection
      table.insert(list, connection)
    end
    local size = (what == "up" or what == "down") and tonumber(argument) or 0
    place = place + 1
    events[what](connection, tonumber(time), argument, text:sub(last + 1, last + size), place)
    at = last + size + 1
  end
  return list
end

-- What a reservation depends on, in the order in which it passed the proxy: { place, apply }.
local function happenings(connection)
  local list = {}
  for order, exchange in ipairs(connection.exchanges) do
    if RESERVES[exchange.verb] and exchange.reply == "RESERVED" then
      table.insert(list, { place = exchange.answered_at, order = order, what = "reserved", exchange = exchange })
    elseif SETTLES[exchange.verb] or exchange.verb == "touch" then
      table.insert(list, { place = exchange.sent_at, order = order, what = "told", exchange = exchange })
      if exchange.reply == "NOT_FOUND" or exchange.reply == "TOUCHED" then
        table.insert(list, { place = exchange.answered_at, order = order, what = exchange.reply, exchange = exchange })
      end
    end
  end
  table.sort(list, function(a, b)
    if a.place ~= b.place then
      return a.place < b.place
    end
    return a.order < b.order
  end)
  return list
end

local function over(reservation, time)
  reservation.over = math.min(reservation.over or time, time)
end

local function reserve(found, held, connection, exchange, number_of)
  local id, time = exchange.reserved, exchange.answered
  local present = held[id]
  if present and not present.over then
    present.renewed = time -- it ran out and came back to the same connection, which has not noticed
    return
  end
  held[id] = { n = number_of(exchange.body), id = id, slot = connection.slot, connection = connection, from = time,
    renewed = time, told = {}, closed = connection.closed }
  table.insert(found.reservations, held[id])
end

local function tell(found, reservation, connection, exchange)
  if not reservation then
    table.insert(found.strays, { connection = connection, exchange = exchange })
    return
  end
  table.insert(reservation.told, exchange)
  if SETTLES[exchange.verb] then
    over(reservation, exchange.sent)
  end
end

--- Of those connections: `reservations`, a list of { n, id, slot, connection, from, renewed, told = its touches and
--- verbs, closed, over = when its holder settled or lost it }, by the time of their beginning; and `strays`: verbs for
--- ids that their connection did not reserve. number_of(body) says what job a body is.
function wire.reservations(connections, number_of)
  local found = { reservations = {}, strays = {} }
  for _, connection in ipairs(connections) do
    local held = {}
    for _, it in ipairs(happenings(connection)) do
      local exchange = it.exchange
      if it.what == "reserved" then
        reserve(found, held, connection, exchange, number_of)
      elseif it.what == "told" then
        tell(found, held[exchange.id], connection, exchange)
      elseif it.what == "TOUCHED" and held[exchange.id] then
        held[exchange.id].renewed = math.max(held[exchange.id].renewed, exchange.sent)
      elseif held[exchange.id] then
        over(held[exchange.id], exchange.answered)
      end
    end
  end
  for _, reservation in ipairs(found.reservations) do
    reservation.over = reservation.over or reservation.closed
  end
  table.sort(found.reservations, function(a, b)
    return a.from < b.from
  end)
  return found
end

return wire
