--- The log's sink `to: email`, with a real SMTP server.
local beanstalkd = require "spec.support.beanstalkd"
local cjson = require "cjson"
local fake = require "spec.support.fake"
local jobs = require "spec.support.jobs"
local mime = require "mime"
local redis = require "spec.support.redis"
local smtp = require "spec.support.smtp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()
local CANARY = "canary-Zx81"
local HANDLERS = {
  ["ok.lua"] = "return function() end",
  ["says.lua"] = [[
    local log = require "lunastalk.log"
    return function(job)
      for i = 1, job.data.times or 1 do
        log[job.data.level or "critical"](job.data.message, { n = i, disk = job.data.disk })
      end
    end]],
}
local FAILS = "warning worker: the log to email ops@example%.org fails: "

-- Its sinks are stdout and mail, as `email` says. options: files, config, each (addresses, with a sink each).
local function project(email, options)
  options = options or {}
  local sinks, config = { { to = "stdout", level = "info" } }, options.config or {}
  for _, address in ipairs(options.each or { "ops@example.org" }) do
    local sink = { to = "email", level = "critical", address = address, interval = "1h" }
    for key, value in pairs(email) do
      sink[key] = value
    end
    table.insert(sinks, sink)
  end
  config.beanstalkd, config.log = { server = server.address }, sinks
  return worker.project { jobs = HANDLERS, config = config, files = options.files }
end

local tubes = 0

-- A worker with a tube of its own. options: those of project(), number.
local function start(email, options)
  tubes = tubes + 1
  local tube, number = "mail" .. tubes, options and options.number or 1
  local w = worker.start { dir = project(email, options), args = { number, "--tube=" .. tube } }
  w.tube = tube
  return w
end

local function put(w, data, name)
  return queue:put(jobs.body(name or "says", data), { tube = w.tube })
end

-- Has the handler log at critical, and waits until it has.
local function says(w, message, disk)
  jobs.gone(queue, put(w, { message = message, disk = disk }))
end

local function stop(w)
  assert.equal(0, (w:stop()))
end

-- How often a mail says that there were such records.
local function count(mail)
  local records = tonumber(mail.body:match "(%d+) more records of other kinds" or 0)
  for times in mail.body:gmatch "\n  (%d+) times?, " do
    records = records + tonumber(times)
  end
  return records
end

describe("a sink to: email", function()
  it("mails the first record at once, and what follows within the interval as one digest", function()
    local box = smtp.start()
    local w = start { server = box.url, interval = "2s" }
    says(w, "the {disk} is full", "a")
    local first = box:mail(1)
    says(w, "the {disk} is full", "b")
    says(w, "no {disk}", "d")
    jobs.gone(queue, put(w, { message = "not to be mailed", level = "error" }))
    says(w, "the {disk} is full", "c")
    local second = box:mail(2)
    stop(w)
    assert.equal(2, #box:mails())
    local times, lines = {}, {}
    for line, time, disk in w:output():gmatch "((%S+) critical says: %w+ (%w)[^\n]*)" do
      times[disk], lines[disk] = time, line
    end
    assert.equal(1, count(first))
    local function tells(mail, format, ...)
      assert.truthy(mail.body:find(format:format(...), 1, true), mail.body)
    end
    tells(first, "critical says: the a is full\n  1 time, %s\n  %s", times.a, lines.a)
    assert.is_true(second.at - first.at > 1.9)
    assert.equal(3, count(second))
    tells(second, "critical says: the b is full\n  2 times, %s to %s\n  the first: %s", times.b, times.c, lines.b)
    tells(second, "critical says: no d\n  1 time, %s\n  %s", times.d, lines.d)
    assert.not_matches("not to be mailed", first.body .. second.body)
  end)

  it("says in the subject which host and worker, and what, in any script", function()
    local box = smtp.start()
    local w = start { server = box.url }
    local message = "Gerät „Ünal“ 漢字 😀 " .. ("é"):rep(50)
    says(w, message)
    local mail = box:mail(1)
    local host = w:output():match "starts as (%S+)_worker1 "
    assert.equal(("[%s] worker1: %s"):format(host, message), mail.subject)
    assert.not_matches("[\128-\255]", mail.head)
    assert.truthy(mail.body:find(message, 1, true))
    stop(w)
  end)

  it("lets no record make a header", function()
    local box = smtp.start()
    local w = start { server = box.url }
    says(w, "disk\r\nBcc: evil@example.org\r\n\r\nbody")
    local mail, names = box:mail(1), {}
    for name in ("\r\n" .. mail.head):gmatch "\r\n([^ :\r\n]+):" do
      table.insert(names, name)
    end
    assert.equal("From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type Content-Transfer-Encoding",
      table.concat(names, " "))
    assert.matches("^%[%S+%] worker1: disk\\r\\nBcc: evil@example%.org\\r\\n\\r\\nbody$", mail.subject)
    assert.same({ "ops@example.org" }, mail.to)
    stop(w)
  end)

  it("mails to all addresses, from the one that is set", function()
    local box = smtp.start()
    local w = start { server = box.url, address = { "a@example.org", "b@example.org" }, from = "luna@example.org" }
    says(w, "once")
    local mail = box:mail(1)
    assert.same({ "luna@example.org", { "a@example.org", "b@example.org" } }, { mail.from, mail.to })
    assert.matches("From: <luna@example%.org>\r\nTo: <a@example%.org>,\r\n <b@example%.org>\r\n", mail.head)
    assert.same({ false, cjson.null }, { mail.tls, mail.login })
    stop(w)
    assert.equal(1, #box:mails())
  end)

  it("mails all of a burst in two mails, and holds up no job for it", function()
    local box = smtp.start()
    local w = start { server = box.url, interval = "5m" }
    local begun, ids = wait.now(), {}
    for i = 1, 100 do
      ids[i] = put(w, { message = i % 2 == 0 and "burst {n}" or "kind " .. i, times = 100 })
    end
    jobs.gone(queue, unpack(ids))
    assert.is_true(wait.now() - begun < 8)
    stop(w)
    local mails = box:mails()
    assert.equal(2, #mails)
    assert.equal(100 * 100, count(mails[1]) + count(mails[2]))
  end)

  it("mails why a worker cannot start before it ends", function()
    local box = smtp.start()
    local w = start({ server = box.url }, { files = { ["jobs/broken.lua"] = "return function( end" } })
    assert.equal(78, (w:wait()))
    local mails = box:mails()
    assert.equal(1, #mails)
    assert.matches("^emergency worker: .*broken%.lua:1: ", mails[1].body)
  end)
end)

describe("a mail server that wants a login", function()
  local starttls = smtp.start { starttls = true, user = "luna", password = CANARY }
  local tls = smtp.start { tls = true, user = "luna", password = CANARY }

  -- Neither as it is, nor in the words of the protocol.
  local function assert_secret(secret, text)
    for _, form in ipairs { secret, mime.b64(secret), mime.b64("\0luna\0" .. secret) } do
      assert.is_nil(text:find(form, 1, true))
    end
  end

  -- A worker that has mailed there.
  local function delivered(box, email, files)
    local before = #box:mails()
    email.server, email.user, email.ca_file = box.url, "luna", box.certificate
    local w = start(email, { files = files })
    says(w, "with a login")
    local mail = box:mail(before + 1)
    assert.same({ true, "luna" }, { mail.tls, mail.login })
    stop(w)
    assert.not_matches("fails", w:output())
    assert_secret(CANARY, w:output())
  end

  -- A worker whose mail was refused: its output.
  local function refused(email, files)
    email.user, email.password = "luna", not email.password_file and (email.password or CANARY) or nil
    local w = start(email, { files = files })
    says(w, "with a login")
    w:log(FAILS)
    jobs.gone(queue, put(w, {}, "ok"))
    stop(w)
    assert_secret(CANARY, w:output())
    return w:output()
  end

  it("gets it over STARTTLS", function()
    delivered(starttls, { password = CANARY })
  end)

  it("gets it over TLS", function()
    delivered(tls, { password = CANARY })
  end)

  it("gets it from a file", function()
    delivered(starttls, { password_file = "secret" }, { secret = CANARY .. "\n" })
  end)

  it("refuses a wrong one, which only the log tells", function()
    local wrong, before = "wrong-" .. CANARY:reverse(), #starttls:mails()
    local output = refused { server = starttls.url, ca_file = starttls.certificate, password = wrong }
    assert.matches(FAILS .. "Login denied workerId=", output)
    assert_secret(wrong, output)
    assert.equal(before, #starttls:mails())
  end)

  it("is not asked when the file with the password is missing", function()
    local before = starttls:connections()
    local output = refused { server = starttls.url, ca_file = starttls.certificate, password_file = "none" }
    assert.matches(FAILS .. "log%.password_file /%S+/none cannot be read: No such file or directory workerId=", output)
    assert.equal(before, starttls:connections())
  end)

  for name, box in pairs { STARTTLS = starttls, TLS = tls } do
    it("gets none over " .. name .. " when its certificate is not trusted, which is told once", function()
      local before, seen = box:connections(), #box:wire()
      local output = refused { server = box.url }
      assert.equal(1, select(2, output:gsub(FAILS, "")))
      assert.matches(FAILS .. "SSL certificate problem: ", output)
      assert.equal(before + 2, box:connections()) -- it tries again before it stops
      assert.not_matches("AUTH", box:wire():sub(seen + 1))
    end)
  end

  it("gets none without TLS", function()
    local box = smtp.start { user = "luna", password = CANARY }
    local output = refused { server = box.url }
    assert.matches(FAILS .. "STARTTLS not supported", output)
    assert.matches("^EHLO ", box:wire())
    assert.not_matches("AUTH", box:wire())
    assert_secret(CANARY, box:wire())
  end)
end)

describe("a mail server in trouble", function()
  it("is mailed to once it comes, all that was to be said, once", function()
    local port = beanstalkd.free_port()
    local w = start { server = "smtp://127.0.0.1:" .. port, interval = "2s" }
    says(w, "first")
    w:log(FAILS)
    says(w, "second {disk}", "b")
    says(w, "second {disk}", "c")
    local box = smtp.start { port = port }
    local mail = box:mail(1)
    assert.equal(3, count(mail))
    assert.matches("critical says: first\n  1 time, .*critical says: second b\n  2 times, ", mail.body)
    w:log "warning worker: the log to email ops@example%.org works again[^\n]* 0 records were lost"
    stop(w)
    assert.equal(1, select(2, w:output():gsub(FAILS, "")))
    for i, later in ipairs(box:mails()) do
      assert.is_true(i == 1 or not later.body:find("says: ", 1, true), later.body)
    end
  end)

  -- As far as the first receiver.
  local function greet(silent)
    local connection = silent:accept()
    connection:send "220 hello\r\n"
    for _, command in ipairs { "EHLO", "MAIL", "RCPT" } do
      connection:expect_line("^" .. command)
      connection:send(command ~= "RCPT" and "250 yes\r\n" or "")
    end
    return connection
  end

  for what, meet in pairs {
    ["never greets"] = function(silent) return silent:accept() end,
    ["refuses a receiver and says no more"] = function(silent) greet(silent):send "550 no\r\n" end,
    ["takes a mail and says no more"] = function(silent)
      local connection = greet(silent)
      connection:send "250 yes\r\n"
      connection:expect_line "^DATA"
      connection:send "354 go on\r\n"
      repeat until connection:line() == "."
      connection:send "250 taken\r\n"
    end,
  } do
    it("that " .. what .. " costs no job anything, and a worker that stops two seconds", function()
      local silent = fake.listen()
      local w = start { server = "smtp://" .. silent.address }
      local function work()
        local begun, ids = wait.now(), {}
        for i = 1, 200 do
          ids[i] = put(w, {}, "ok")
        end
        jobs.gone(queue, unpack(ids))
        return wait.now() - begun
      end
      local usual = work()
      says(w, "nobody reads this")
      local connection = meet(silent)
      assert.is_true(work() < 5 * usual + 0.5)
      local begun = wait.now()
      stop(w)
      assert.is_true(wait.now() - begun < 3)
      if connection then
        assert.equal("", connection:expect_closed())
        assert.matches(FAILS, w:output())
      end
    end)
  end
end)

describe("workers of one name", function()
  -- They have a Redis, and are connected to it.
  local function start_some(number, box, addresses)
    local store, workers = redis.start(), {}
    local db = store:client()
    for i = 1, number do
      workers[i] = start({ server = box.url, interval = "2s" },
        { number = i, each = addresses, config = { redis = { server = store.address } } })
    end
    wait.eventually(10, function() return db:call("HLEN", "workers.heartbeat") == number end, "all heartbeats")
    return workers
  end

  -- Stops them: then all that they said is in mails, none within the interval of another.
  local function assert_mailed(box, workers, records)
    for _, w in ipairs(workers) do
      stop(w)
    end
    local all, last = 0, {}
    for _, mail in ipairs(box:mails()) do
      all = all + count(mail)
      assert.is_true(mail.at - (last[mail.to[1]] or 0) > 1.9)
      last[mail.to[1]] = mail.at
    end
    assert.equal(records, all)
  end

  it("mail the first record of any at once, and then one digest of all", function()
    local box = smtp.start()
    local workers = start_some(2, box)
    local one, other = unpack(workers)
    says(one, "no {disk}", "a")
    assert.equal(1, count(box:mail(1)))
    for _, w in ipairs { one, one, other, other, other } do
      says(w, "no {disk}", "b")
    end
    assert.matches("^critical says: no b\n  5 times, %S+ to %S+, from 2 workers\n  the first: ", box:mail(2).body)
    assert_mailed(box, workers, 6)
  end)

  it("mail what another says within the interval, to each address, once that is over", function()
    local box, addresses = smtp.start(), {}
    for i = 1, 8 do
      addresses[i] = ("ops%d@example.org"):format(i)
    end
    local workers = start_some(2, box, addresses)
    for i, w in ipairs(workers) do
      says(w, "no disk")
      box:mail(i * #addresses)
    end
    assert_mailed(box, workers, 2 * #addresses)
  end)
end)

describe("lunastalk log-test", function()
  it("sends one mail with a record of each level that is mailed", function()
    local box = smtp.start()
    local dir = project { server = box.url, level = "warning" }
    local code, output = worker.lunastalk("log-test", "--allow-root", { cwd = dir })
    assert.equal(0, code)
    assert.matches("\nemail ops@example%.org +warning +5 +5 *\n", output)
    local mails, levels = box:mails(), {}
    assert.equal(1, #mails)
    for level in ("\n\n" .. mails[1].body):gmatch "\n\n(%l+) worker: a test record of level %1\n  1 time, " do
      table.insert(levels, level)
    end
    assert.equal("warning error critical alert emergency", table.concat(levels, " "))
    assert.matches("^%[%S+%] log%-test%d+: a test record of level emergency, and 4 more$", mails[1].subject)
  end)

  it("shows how the server refuses", function()
    local box = smtp.start { refuse = "550 no such mailbox" }
    local code, output = worker.lunastalk("log-test", "--allow-root", { cwd = project { server = box.url } })
    assert.equal(1, code)
    assert.matches("\nemail ops@example%.org +critical +3 +0 +RCPT failed: 550", output)
    assert.equal(0, #box:mails())
  end)
end)
