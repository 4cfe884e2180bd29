-- Tests against a real server, which is started for it: what comes out of it counts, whatever the handler calls.
local beanstalkd = require "spec.support.beanstalkd"
local json = require "lunastalk.json"
local mime = require "mime"
local process = require "spec.support.process"
local settings = require "lunastalk.settings"
local socket = require "socket"
local temp = require "spec.support.temp"
local testing = require "lunastalk.testing"
local wait = require "spec.support.wait"

-- A real SMTP server that keeps every mail as a file.
local mailbox = temp.dir() .. "/mailbox"
local port = beanstalkd.free_port()
local server = process.spawn {
  "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:" .. port, "-c", "aiosmtpd.handlers.Mailbox", mailbox,
}
wait.eventually(20, function()
  assert(server:running(), server:output())
  local connection = socket.connect("127.0.0.1", port)
  return connection and connection:close()
end, "the SMTP server")

-- The mails that came since the last look.
local function collect()
  local mails = {}
  for name in io.popen("ls -tr " .. mailbox .. "/new"):lines() do
    local path = mailbox .. "/new/" .. name
    table.insert(mails, temp.read(path))
    os.remove(path)
  end
  return mails
end

local function decode(body)
  return (body:gsub("\r", ""):gsub("=\n", ""):gsub("=(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- Sends one mail; its headers (unfolded, lower case names) and the body.
local function sent(data, id)
  testing.perform("send_email", data, { id = id })
  assert.succeeded()
  local mails = collect()
  assert.equal(1, #mails)
  local head, body = mails[1]:match "^(.-\n)\n(.*)$"
  local headers = {}
  for name, value in head:gsub("\n ", " "):gmatch "([%w-]+): ([^\n]*)\n" do
    headers[name:lower()] = value
  end
  return headers, decode(body)
end

local function refused(data, reason)
  testing.perform("send_email", data)
  assert.failed(reason)
  assert.equal(0, #collect())
end

local function words(text)
  return (text:gsub("=%?UTF%-8%?B%?(.-)%?= ?", mime.unb64))
end

describe("jobs/send_email.lua", function()
  before_each(function()
    settings.smtp = { host = "127.0.0.1", port = port, from = "Shop <shop@example.com>" }
  end)

  it("sends a mail", function()
    local headers, body = sent { to = "ada@example.com", subject = "Hello", body = "one\ntwo\n" }
    assert.equal("Shop <shop@example.com>", headers.from)
    assert.equal("ada@example.com", headers.to)
    assert.equal("Hello", headers.subject)
    assert.equal("shop@example.com", headers["x-mailfrom"])
    assert.truthy(headers.date:find "^%a+, %d%d %a+ %d%d%d%d %d%d:%d%d:%d%d %+0000$")
    assert.equal("one\ntwo\n", body)
  end)

  it("sends to a list, from another address", function()
    local headers = sent { to = { "a@x.org", '"O\'Neil, B." <b@x.org>' }, from = "me@x.org", subject = "", body = "" }
    assert.equal('a@x.org, "O\'Neil, B." <b@x.org>', headers.to)
    assert.equal("a@x.org, b@x.org", headers["x-rcptto"])
    assert.equal("me@x.org", headers["x-mailfrom"])
    assert.equal("shop@example.com", sent({ to = "a@x.org", from = json.null, subject = "", body = "" })["x-mailfrom"])
  end)

  it("encodes what is not ASCII, or too long, in words of at most 75 bytes", function()
    for _, subject in ipairs { "Grüße", ("Grüße — "):rep(40), "=?UTF-8?B?eA==?=", ("long "):rep(300) } do
      local headers = sent { to = "Ünal <u@x.org>", subject = subject, body = "" }
      assert.equal(subject, words(headers.subject))
      assert.equal("Ünal <u@x.org>", words(headers.to:gsub("= <", "=  <") .. ""))
      for word in headers.subject:gmatch "%S+" do
        assert.truthy(#word <= 75)
      end
    end
  end)

  it("brings every body through: dots, long lines, NUL, UTF-8", function()
    for _, text in ipairs { ".\n..\n.x", ("y"):rep(5000), "a\0b", "ä€😀", "", "tail  ", "\n\n" } do
      local _, body = sent { to = "a@x.org", subject = "x", body = text .. "\n" }
      assert.equal(text .. "\n", body)
    end
  end)

  it("gives a second run the same Message-ID, and no other mail that one", function()
    local data = { to = "a@x.org", subject = "x", body = "y" }
    local first = sent(data, "7")["message-id"]
    assert.truthy(first:find "^<testing%.7%.%x+@example%.com>$")
    assert.equal(first, sent(data, "7")["message-id"])
    assert.not_equal(first, sent(data, "8")["message-id"])
    data.body = "z" -- the id comes again when beanstalkd restarts
    assert.not_equal(first, sent(data, "7")["message-id"])
  end)

  it("refuses addresses that would smuggle something in", function()
    for _, address in ipairs {
      "a@x.org\r\nBcc: e@x.org", "a@x.org\nRCPT TO:<e@x.org>", "A\r\nBcc: e@x.org <a@x.org>", "a@x.org\0",
      "a@x.org> SIZE=1", "a@x.org,e@x.org", "<a@x.org> <e@x.org>", "a", "@", "", "a b@x.org", "ü@x.org", 7,
    } do
      refused({ to = { address }, subject = "x", body = "" }, "data.to")
      refused({ to = "a@x.org", from = address, subject = "x", body = "" }, "data.from")
    end
    refused({ to = { "a@x.org", "b" }, subject = "x", body = "" }, "number 2")
    refused({ to = json.empty_array, subject = "x", body = "" }, "nobody")
    refused({ subject = "x", body = "" }, "nobody")
  end)

  it("refuses subjects of more than a line, and data without text", function()
    for _, subject in ipairs { "x\r\nBcc: e@x.org", "x\n", "x\ry", "x\0", 7 } do
      refused({ to = "a@x.org", subject = subject, body = "" }, "data.subject")
    end
    refused({ to = "a@x.org", subject = "x" }, "data.body")
  end)

  it("says which server refused, and how", function()
    local nobody = beanstalkd.free_port()
    settings.smtp = { port = nobody, from = "a@x.org" }
    testing.perform("send_email", { to = "a@x.org", subject = "x", body = "" })
    assert.failed(("SMTP server 127.0.0.1:%d: connection refused"):format(nobody))
    settings.smtp = { port = port, from = "a@x.org", user = "u", password = "p" }
    testing.perform("send_email", { to = "a@x.org", subject = "x", body = "" })
    assert.failed "authentication not supported"
  end)
end)
