-- jobs/send_email.lua: sends one mail over SMTP.
--
--   data      to: an address or a list of them · subject · body: plain text · from: optional
--   settings  smtp: { host: 127.0.0.1, port: 25, user: …, password: …, from: … }
--
-- An address is "ada@example.com" or "Ada <ada@example.com>". luasocket speaks no TLS: hand the mail to a relay on this
-- machine or in its network. A second run sends the mail again under the same Message-ID, by which it is recognised.

local ltn12 = require "ltn12"
local mime = require "mime"
local smtp = require "socket.smtp"
local socket = require "socket"
local hash = require "hash"
local json = require "lunastalk.json"
local settings = require "lunastalk.settings"

smtp.TIMEOUT = 30 -- seconds, for each step of the conversation

-- Header text: as RFC 2047 words where it is not plain ASCII, each of whole characters and at most 75 bytes long.
local function encode(text)
  if #text < 200 and not text:find("[\128-\255]") and not text:find("=?", 1, true) then return text end
  local words, word = {}, ""
  for character in (text .. "\n"):gmatch("[^\128-\191][\128-\191]*") do
    if #word + #character > 45 or character == "\n" then
      words[#words + 1] = "=?UTF-8?B?" .. mime.b64(word) .. "?="
      word = ""
    end
    word = word .. character
  end
  return table.concat(words, "\r\n ")
end

local function phrase(name)
  name = name:match('^"(.*)"$') or name
  if name:find("[\128-\255]") or name:find("^[%w ]*$") then return encode(name) end
  return '"' .. name:gsub('[\\"]', "\\%0") .. '"'
end

-- An address for the SMTP command and for the header; nil for whatever could smuggle in a line or a second address.
local function parse(text)
  if type(text) ~= "string" or #text > 500 or text:find("%c") then return nil end
  local name, address = text:match("^ *(.-) *<(.*)> *$")
  address = address or text
  if not address:find("^[%w!#$%%&'*+/=?^_`{|}~.-]+@[%w.:%[%]-]+$") then return nil end
  return "<" .. address .. ">", (name or "") == "" and address or phrase(name) .. " <" .. address .. ">"
end

local function parse_all(list)
  local addresses, shown = {}, {}
  for i, text in ipairs(type(list) == "table" and list or { list }) do
    addresses[i], shown[i] = parse(text)
    if not addresses[i] then return nil, ("data.to: number %d is no address"):format(i) end
  end
  if #addresses == 0 then return nil, "data.to: nobody to send to" end
  return addresses, table.concat(shown, ",\r\n ")
end

-- The id of a job comes again when a beanstalkd without binlog restarts, so the content is part of it.
local function message_id(job, from, to)
  local content = hash(table.concat({ to, job.data.subject, job.data.body }, "\0"))
  return ("<%s.%s.%s%s>"):format(job.server:gsub("[^%w.-]", "-"), job.id, content, from:match("@[^>]*"))
end

local function quoted_printable(body)
  local filter = ltn12.filter.chain(mime.normalize(), mime.encode("quoted-printable"), mime.wrap("quoted-printable"))
  body = body:gsub("\r?\n$", "") -- luasocket ends the last line itself
  return ltn12.source.chain(ltn12.source.string(body), filter)
end

-- What socket.smtp sends, or nil and why the data makes no mail.
local function compose(job, default_from)
  local data = job.data
  local from, shown_from = parse(data.from ~= json.null and data.from or default_from)
  if not from then return nil, "no valid address in data.from, nor in settings: smtp.from" end
  local to, shown_to = parse_all(data.to)
  if not to then return nil, shown_to end
  if type(data.subject) ~= "string" or data.subject:find("%c") then
    return nil, "data.subject: not a text of one line"
  end
  if type(data.body) ~= "string" then return nil, "data.body: not a text" end
  local headers = {
    From = shown_from,
    To = shown_to,
    Subject = encode(data.subject),
    Date = os.date("!%a, %d %b %Y %H:%M:%S +0000"),
    ["Message-ID"] = message_id(job, from, shown_to),
    ["Content-Type"] = "text/plain; charset=utf-8",
    ["Content-Transfer-Encoding"] = "quoted-printable",
  }
  return { from = from, rcpt = to, source = smtp.message { headers = headers, body = quoted_printable(data.body) } }
end

-- Not smtp.send: that calls it a failure when the server has taken the mail and then fails to say goodbye.
local deliver = socket.protect(function(host, port, login, mail)
  local session = smtp.open(host, port)
  session.tp:getcontrol():setoption("tcp-nodelay", true) -- else each mail waits 40 ms for an ACK
  session:auth(login.user, login.password, session:greet(socket.dns.gethostname()))
  session:send(mail)
  pcall(session.quit, session)
  session:close()
  return true
end)

-- settings: smtp, without what is null.
local function configured()
  local server = {}
  for key, value in pairs(type(settings.smtp) == "table" and settings.smtp or {}) do
    if value ~= json.null then server[key] = value end
  end
  return server
end

return function(job)
  local server = configured()
  local mail, problem = compose(job, server.from)
  if not mail then return false, problem end
  local host, port = server.host or "127.0.0.1", server.port or 25
  local sent, reason = deliver(host, port, server, mail)
  if not sent then return false, ("SMTP server %s:%d: %s"):format(host, port, reason) end
end
