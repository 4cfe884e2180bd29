-- jobs/lib/web.lua: one HTTP request, with an end in any case.
--
--   local answer, problem = web.request { method = "POST", url = "https://…", headers = { … }, body = "…" }
--
-- `answer` has status, headers (names in lower case) and body. Of an answer with more than 64 KB only the beginning is
-- read; redirects are not followed. https needs lua-sec.
--
--   settings  http: { timeout: for each step (10 seconds), ca_file: of the authority to trust instead of the system's }

local http = require "socket.http"
local ltn12 = require "ltn12"
local socket = require "socket"
local url = require "socket.url"
local json = require "lunastalk.json"
local settings = require "lunastalk.settings"
local tls = require "tls"

local TIMEOUT, LONGEST = 10, 64 * 1024 -- seconds, bytes
local PORTS = { http = 80, https = 443 }

local web = {}

-- settings: http, without what is null.
local function configured()
  local options = { timeout = TIMEOUT }
  for key, value in pairs(type(settings.http) == "table" and settings.http or {}) do
    if value ~= json.null then options[key] = value end
  end
  return options
end

-- What socket.http takes for a socket: it counts what comes in, and speaks TLS where it is told to.
local connection = {}
connection.__index = connection

function connection.settimeout()
  return 1 -- it has one
end

function connection:connect(host, port)
  local fine, problem = self.socket:connect(host, port)
  if not fine then return nil, problem end
  if not self.secure then return 1 end
  local secure
  secure, problem = tls.wrap(self.socket, host, self.options.timeout, self.options.ca_file)
  self.socket = secure or self.socket
  return secure and 1, problem
end

function connection:send(...)
  return self.socket:send(...)
end

function connection:receive(what, prefix)
  if type(what) == "number" and what > LONGEST then return nil, "too long" end
  local got, problem, partial = self.socket:receive(what, prefix)
  self.left = self.left - #(got or partial or "")
  if self.left < 0 then return nil, "too long" end
  return got, problem, partial
end

function connection:close()
  return self.socket:close()
end

local function open(scheme)
  local plain, problem = socket.tcp()
  if not plain then return nil, problem end
  local options = configured()
  plain:settimeout(options.timeout)
  return setmetatable({ socket = plain, secure = scheme == "https", options = options, left = LONGEST }, connection)
end

local function headers_of(request, target)
  local headers = { connection = "close", ["user-agent"] = "lunastalk", accept = "*/*" }
  headers.host = (target.authority:gsub(":%d*$", function(port)
    return port == ":" .. PORTS[target.scheme] and "" or port
  end))
  if request.body or request.method:find("^P") then headers["content-length"] = #(request.body or "") end
  for name, value in pairs(request.headers or {}) do
    headers[name:lower()] = value
  end
  return headers
end

-- Fills `answer` as far as it comes: a body that breaks off does not make the status unknown.
local exchange = socket.protect(function(request, target, answer)
  local session = http.open(target.host, tonumber(target.port) or PORTS[target.scheme], function()
    return open(target.scheme)
  end)
  local headers, path = headers_of(request, target), request.url:match("^%a+://[^/?#]*([^#]*)")
  session:sendrequestline(request.method, path:find("^/") and path or "/" .. path)
  session:sendheaders(headers)
  if request.body then session:sendbody(headers, ltn12.source.string(request.body)) end
  local status, received
  repeat
    status = session.try(session:receivestatusline(), "no HTTP")
    received = session:receiveheaders()
  until status >= 200
  answer.status, answer.headers = status, received
  if request.method ~= "HEAD" and status ~= 204 and status ~= 304 then
    session:receivebody(received, (ltn12.sink.table(answer.parts)))
  end
  session:close()
  return true
end)

-- What is wrong with a URL, or nil.
function web.check(text)
  local target = type(text) == "string" and not text:find("[%c%s\127-\255]") and url.parse(text) or {}
  if not PORTS[target.scheme] or (target.host or "") == "" then return "not an http or https URL" end
  if target.userinfo then return "a URL with a password: it belongs into a header" end
end

-- nil and a message when there was no answer: then the request may have arrived or not.
function web.request(request)
  local wrong = web.check(request.url)
  if wrong then return nil, wrong end
  local target, answer = url.parse(request.url), { parts = {} }
  local done, problem = exchange(request, target, answer)
  if not done and not answer.status then return nil, ("%s: %s"):format(target.authority, problem) end
  answer.body, answer.parts = table.concat(answer.parts), nil
  return answer
end

return web
