--- A real SMTP server (aiosmtpd) on a free port of 127.0.0.1, which keeps each mail as a line of JSON.
local cjson = require "cjson"
local process = require "spec.support.process"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local smtp = {}
smtp.__index = smtp

-- Its only argument: options as JSON.
local PROGRAM = [==[
import asyncio, email, email.policy, json, ssl, sys, time
from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])

def append(name, data):
    with open(options["dir"] + "/" + name, "ab") as file:
        file.write(data)

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if options.get("refuse"):
            return options["refuse"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        append("mails", json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(message["Subject"]),
            "head": envelope.content.split(b"\r\n\r\n")[0].decode("latin-1"),
            "body": message.get_payload(decode=True).decode(),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": session.auth_data,
            "at": time.monotonic(),
        }).encode() + b"\n")
        return "250 OK"

class Server(SMTP):
    def data_received(self, data): # decrypted
        append("wire", data)
        super().data_received(data)

def authenticate(server, session, envelope, mechanism, data):
    good = data.login.decode() == options["user"] and data.password.decode() == options["password"]
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())

def make(): # for each connection, before TLS
    append("connections", b"\n")
    return Server(
        Handler(), hostname="localhost", loop=loop,
        tls_context=context if options.get("starttls") else None, require_starttls=bool(options.get("starttls")),
        auth_required=bool(options.get("user")), auth_require_tls=bool(options.get("starttls")),
        authenticator=authenticate)

context = None
if options.get("certificate"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])
loop = asyncio.new_event_loop()
listening = loop.run_until_complete(loop.create_server(
    make, "127.0.0.1", options.get("port", 0), ssl=context if options.get("tls") else None))
print("listens on", listening.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
]==]

local function certify(dir)
  local code, _, problem = process.run {
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    "-keyout", dir .. "/key", "-out", dir .. "/certificate",
  }
  assert(code == 0, problem)
  return dir .. "/certificate", dir .. "/key"
end

--- Starts one and waits until it listens. options: port; starttls (insisted on); tls (from the start); user and
--- password (insisted on); refuse (the reply to each RCPT). Fields: url, port, certificate (for ca_file), process.
function smtp.start(options)
  options = options or {}
  local self = setmetatable({ dir = temp.dir() }, smtp)
  local told = { dir = self.dir }
  for name, value in pairs(options) do
    told[name] = value
  end
  if options.starttls or options.tls then
    self.certificate, told.key = certify(self.dir)
    told.certificate = self.certificate
  end
  for _, name in ipairs { "mails", "connections", "wire" } do
    temp.write(self.dir .. "/" .. name, "")
  end
  local program = temp.write(self.dir .. "/server.py", PROGRAM)
  self.process = process.spawn { "/usr/bin/python3", program, cjson.encode(told) } -- with Debian's aiosmtpd
  self.port = tonumber(self.process:expect("listens on (%d+)", 20))
  self.url = ("%s://127.0.0.1:%d"):format(options.tls and "smtps" or "smtp", self.port)
  return self
end

--- The mails so far: from, to (a list), subject (decoded), head (as it came), body (decoded), tls, login (the user),
--- at (wait.now() of the moment).
function smtp:mails()
  local mails = {}
  for line in temp.read(self.dir .. "/mails"):gmatch "([^\n]*)\n" do
    table.insert(mails, cjson.decode(line))
  end
  return mails
end

--- Waits until there are so many mails; returns that one.
function smtp:mail(number, seconds)
  return wait.eventually(seconds or 10, function()
    return self:mails()[number]
  end, function()
    return ("mail %d; there are %d; the server's output:\n%s"):format(number, #self:mails(), self.process:output())
  end)
end

--- How many connections there were.
function smtp:connections()
  return #temp.read(self.dir .. "/connections")
end

--- All that was sent to it, decrypted.
function smtp:wire()
  return temp.read(self.dir .. "/wire")
end

function smtp:stop()
  self.process:stop()
end

return smtp
