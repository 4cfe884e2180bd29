--- `lunastalk new`, and `lunastalk test` with what it wrote.
local cleanup = require "spec.support.cleanup"
local process = require "spec.support.process"
local pwd = require "posix.pwd"
local signal = require "posix.signal"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local PATH = worker.built "":sub(1, -2) .. ":" .. os.getenv "PATH"

local function lunastalk(dir, ...)
  local arguments = { ... }
  table.insert(arguments, { cwd = dir })
  return worker.lunastalk(unpack(arguments))
end

local function busted(dir, ...)
  return process.run({ "busted", "-o", "plainTerminal", ... }, { cwd = dir, env = { PATH = PATH } })
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

describe("lunastalk new", function()
  it("writes a handler and its spec, which work at once", function()
    local dir = temp.dir()
    local code, output = lunastalk(dir, "new", "send_invoice")
    assert.equal(0, code)
    assert.equal("created jobs/send_invoice.lua\ncreated spec/jobs/send_invoice_spec.lua\ncreated .busted\n"
      .. "next: lunastalk test\n", output)
    assert.matches("retry = { max = 5, delay = 10 }", temp.read(dir .. "/jobs/send_invoice.lua"), 1, true)
    code, output = lunastalk(dir, "test")
    assert.equal(0, code, output)
    assert.matches("2 successes / 0 failures / 0 errors", output)
  end)

  it("takes a name with dots, for plain busted too", function()
    local dir = temp.dir()
    assert.equal(0, (lunastalk(dir, "new", "send_invoice")))
    local code, output = lunastalk(dir, "new", "email.invoice")
    assert.equal(0, code)
    assert.equal("created jobs/email/invoice.lua\ncreated spec/jobs/email/invoice_spec.lua\nnext: lunastalk test\n",
      output)
    assert.matches("lunastalk put email.invoice '", temp.read(dir .. "/jobs/email/invoice.lua"), 1, true)
    code, output = busted(dir)
    assert.equal(0, code, output)
    assert.matches("4 successes / 0 failures / 0 errors", output)
    code, output = busted(dir, "--filter", "buries")
    assert.equal(0, code, output)
    assert.matches("2 successes / 0 failures / 0 errors", output)
    temp.write(dir .. "/jobs/email/invoice.lua", "return function() end")
    assert.equal(1, (busted(dir)))
  end)

  it("takes the directories of the configuration", function()
    local dir = temp.dir()
    temp.write(dir .. "/config.yml", "jobs: { path: app/handlers }")
    assert.equal(0, (lunastalk(dir, "new", "x")))
    assert.is_true(exists(dir .. "/app/handlers/x.lua"))
    local code, output = lunastalk(dir, "test", "spec/jobs/x_spec.lua")
    assert.equal(0, code, output)
  end)

  it("leaves files of the project's owner, also for root", function()
    local dir = temp.dir()
    local about = assert(pwd.getpwnam "nobody")
    if unistd.geteuid() == 0 then
      assert(os.execute("chown nobody " .. dir))
    end
    assert.equal(0, (lunastalk(dir, "new", "x")))
    assert.equal(unistd.geteuid() == 0 and about.pw_uid or unistd.geteuid(), stat.stat(dir .. "/jobs/x.lua").st_uid)
  end)

  it("overwrites nothing", function()
    local dir = temp.dir()
    temp.write(dir .. "/spec/jobs/x_spec.lua", "mine")
    local code, output, errors = lunastalk(dir, "new", "x")
    assert.same({ 1, "", "lunastalk new: spec/jobs/x_spec.lua is there already; nothing was written\n" },
      { code, output, errors })
    assert.is_false(exists(dir .. "/jobs/x.lua"))
    temp.write(dir .. "/jobs", "a file")
    code, output, errors = lunastalk(dir, "new", "y")
    assert.same({ 1, "" }, { code, output })
    assert.matches("cannot write %S+/jobs/y.lua: Not a directory", errors)
  end)

  if unistd.geteuid() == 0 then
    it("says why it cannot write, and takes back what it has written", function()
      local dir = temp.dir()
      assert(os.execute("chmod 755 " .. dir .. " && mkdir " .. dir .. "/jobs && chown nobody " .. dir .. "/jobs"))
      local code, output, errors = worker.lunastalk("new", "x", { cwd = dir, user = "nobody" })
      assert.same({ 1, "" }, { code, output })
      assert.equal("lunastalk new: cannot write " .. dir .. "/spec/jobs/x_spec.lua: Permission denied\n", errors)
      assert.is_false(exists(dir .. "/jobs/x.lua"))
    end)
  end

  local disk = temp.dir()
  if process.run { "mount", "-t", "tmpfs", "-o", "size=64k", "none", disk } == 0 then
    cleanup(function()
      process.run { "umount", disk }
    end)
    it("leaves nothing on a full disk", function()
      assert(os.execute("cd " .. disk .. " && mkdir -p jobs spec/jobs"))
      temp.write(disk .. "/filler", ("x"):rep(60 * 1024))
      local code, output, errors = lunastalk(disk, "new", "x")
      assert.same({ 1, "" }, { code, output })
      assert.matches("cannot write %S+/spec/jobs/x_spec.lua: No space left on device\n$", errors)
      assert.is_false(exists(disk .. "/jobs/x.lua"))
      assert.is_false(exists(disk .. "/spec/jobs/x_spec.lua"))
      os.remove(disk .. "/filler")
      assert.equal(0, (lunastalk(disk, "new", "x")))
    end)
  end

  it("refuses what no handler can be called", function()
    local dir = temp.dir()
    for _, name in ipairs { "", "../x", "Email", "_x", "lib.x", "a..b", "a/b", "a b", ("x"):rep(200) } do
      local code, _, errors = lunastalk(dir, "new", name)
      assert.equal(64, code)
      assert.matches("is no handler's name: segments of a-z 0-9 _ joined by dots", errors, 1, true)
    end
    for typed, name in pairs {
      ["email.welcome.lua"] = "email.welcome", ["email/welcome"] = "email.welcome", ["jobs/x.lua"] = "x",
      ["send-invoice"] = "send_invoice", Pay = "pay", ["a b"] = "a_b",
    } do
      local code, _, errors = lunastalk(dir, "new", typed)
      assert.equal(64, code)
      assert.matches("; did you mean " .. name .. "?\n", errors, 1, true)
    end
    for _, typed in ipairs { "jobs/lib/x.lua", "../x", ("x"):rep(200) } do
      assert.not_matches("did you mean", select(3, lunastalk(dir, "new", typed)))
    end
    assert.is_false(exists(dir .. "/jobs"))
    assert.equal(64, (lunastalk(dir, "new")))
    assert.equal(64, (lunastalk(dir, "new", "a", "b")))
  end)
end)

describe("lunastalk test", function()
  it("says what is wrong with the configuration, the script and the arguments", function()
    local dir = temp.dir()
    local code, _, errors = lunastalk(dir, "lua")
    assert.equal(64, code)
    assert.matches("usage: lunastalk lua SCRIPT", errors)
    code, _, errors = lunastalk(dir, "lua", "none.lua")
    assert.same({ 66, "lunastalk lua: cannot open none.lua: No such file or directory\n" }, { code, errors })
    temp.write(dir .. "/fails.lua", "error 'boom'")
    code, _, errors = lunastalk(dir, "lua", "fails.lua")
    assert.equal(1, code)
    assert.matches("^lunastalk lua: fails.lua:1: boom\nstack traceback:", errors)
    temp.write(dir .. "/says.lua", "print(arg[0], arg[1], ...)")
    local _, said = lunastalk(dir, "lua", "says.lua", "a", "b")
    assert.equal("says.lua\ta\ta\tb\n", said)
    code = lunastalk(dir, "test", "--nonsense")
    assert.equal(1, code)
    temp.write(dir .. "/config.yml", "job: {}")
    code, _, errors = lunastalk(dir, "test")
    assert.equal(78, code)
    assert.matches("config.yml:1:1: ", errors, 1, true)
  end)

  it("leaves no temporary files, also when it is interrupted", function()
    local dir, tmp = temp.dir(), temp.dir()
    local function run(script)
      return process.spawn({ worker.built "lunastalk", "lua", script }, { cwd = dir, env = { TMPDIR = tmp } })
    end
    temp.write(dir .. "/waits.lua", "print(os.getenv 'TMPDIR') io.stdout:flush() while true do end")
    for _, number in ipairs { signal.SIGINT, signal.SIGTERM } do
      local running = run "waits.lua"
      local made = running:expect "(%S+lunastalk%-test%-%w+)\n"
      assert.is_not_nil(stat.stat(made))
      running:kill(number)
      assert.same({ nil, number }, { running:wait() })
      wait.eventually(5, function() return not stat.stat(made) end, "the end of " .. made)
    end
    temp.write(dir .. "/forks.lua", [[
      if require("posix.unistd").fork() == 0 then os.exit(0, true) end
      require("posix.sys.wait").wait()
      print(io.open(os.getenv "TMPDIR") ~= nil)]])
    local forks = run "forks.lua"
    forks:expect "true\n"
    assert.equal(0, (forks:wait()))
    assert.equal("", io.popen("ls " .. tmp):read "*a")
  end)

  it("says how to begin where there are no specs", function()
    local dir = temp.dir()
    local code, output, errors = lunastalk(dir, "test")
    assert.same({ 78, "" }, { code, output })
    assert.equal("lunastalk test: there is no spec/ in " .. dir
      .. ": `lunastalk new NAME` writes a handler and its spec\n", errors)
    temp.write(dir .. "/tests/x_spec.lua", [[it("x", function() assert.equal(1, 1) end)]])
    assert.equal(0, (lunastalk(dir, "test", "tests")))
    temp.write(dir .. "/.busted", 'return { _all = { ROOT = { "tests" } } }')
    assert.equal(0, (lunastalk(dir, "test")))
  end)

  it("has the settings of the configuration, and no handlers where there are none", function()
    local dir = temp.dir()
    temp.write(dir .. "/config.yml", "settings: { list: [1, two] }\njobs: { path: none }")
    temp.write(dir .. "/says.lua", 'print(require("lunastalk.settings").list[2])')
    local code, output = lunastalk(dir, "lua", "says.lua")
    assert.same({ 0, "two\n" }, { code, output })
    temp.write(dir .. "/spec/x_spec.lua", [[it("x", function() require("lunastalk.testing").perform "x" end)]])
    code, output = lunastalk(dir, "test", "-o", "plainTerminal")
    assert.equal(1, code)
    assert.matches("/none", output)
  end)
end)
