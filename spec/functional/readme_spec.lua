-- Every command and snippet of the READMEs, run as a reader would.
local beanstalkd = require "spec.support.beanstalkd"
local client = require "spec.support.client"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local temp = require "spec.support.temp"
local unistd = require "posix.unistd"
local worker = require "spec.support.worker"

-- The fenced blocks of a language, each with the text block behind it, if there is one.
local function blocks(file, language)
  local found, text = {}, temp.read(file)
  for kind, body in text:gmatch "```(%a+)\n(.-)```" do
    if kind == language then
      table.insert(found, { body = body })
    elseif kind == "text" and #found > 0 and not found[#found].output then
      found[#found].output = body
    end
  end
  return found
end

-- A directory with the binaries in bin/, for whoever the specs run as; root's are run as nobody.
local user = unistd.geteuid() == 0 and "nobody" or nil

local function project()
  local dir = temp.dir()
  assert(os.execute(("mkdir %s/bin && cp %s %s %s/bin && chmod -R a+rwX %s"):format(dir, worker.built "lunastalk",
    worker.built "lunastalk-executor", dir, dir)))
  return dir
end

local function run(dir, server, argv, stdin, store)
  local path = dir .. "/bin:" .. os.getenv "PATH"
  local code, output, errors = process.run(argv, {
    cwd = dir,
    user = user,
    stdin = stdin,
    env = {
      PATH = path, HOME = dir, LUNASTALK_BEANSTALKD_SERVER = server.address,
      LUNASTALK_REDIS_SERVER = store and store.address,
    },
  })
  assert.equal(0, code, output .. errors)
  return output .. errors
end

-- What stays of a line from one run to the next: no numbers, no time, no fields.
local function essence(line)
  line = line:gsub("^[%d:TZ.-]+ ", ""):gsub(" [%w_]+=.*", ""):gsub("%S+_worker%d+", "ID")
  return (line:gsub("from /%S+", "from PATH"):gsub("%d+[%d.]*", "0"):gsub("0:0", "0"))
end

local function assert_shows(documented, output)
  local lines = {}
  for line in output:gmatch "[^\n]+" do
    lines[essence(line)] = true
  end
  for line in documented:gmatch "[^\n]+" do
    assert.is_true(lines[essence(line)], ("not in the output: %s\n%s"):format(essence(line), output))
  end
end

describe("README.md", function()
  it("runs as it says", function()
    local server, dir, ran = beanstalkd.start {}, project(), 0
    for _, block in ipairs(blocks("README.md", "sh")) do
      if not block.body:find "^make" then -- `make demo` has a spec of its own, `make test` is what runs this
        local output = run(dir, server, { "bash", "-eu" }, block.body)
        ran = ran + 1
        if block.output then
          assert_shows(block.output, output)
        end
      end
    end
    assert.equal(2, ran)
  end)

  it("has a tested handler running after five commands", function()
    local dir = project()
    local commands = {}
    for line in blocks("README.md", "console")[1].body:gmatch "[^\n]+" do
      table.insert(commands, line)
    end
    assert.equal(5, #commands)
    local env = { PATH = dir .. "/bin:" .. os.getenv "PATH", HOME = dir }
    local function shell(command)
      local code, output, errors = process.run({ "bash", "-euc", command }, { cwd = dir, user = user, env = env })
      assert.equal(0, code, output .. errors)
      return output .. errors
    end
    shell(commands[1])
    dir = dir .. "/shop"
    shell(commands[2])
    assert.matches("2 successes / 0 failures", shell(commands[3]))
    local argv = {}
    for word in commands[4]:gmatch "%S+" do
      table.insert(argv, word)
    end
    local dev = process.spawn(argv, { cwd = dir, user = user, env = env })
    dev:expect "connected to beanstalkd"
    assert.matches("put greet as job 1 into tube default.*%(dev, 127.0.0.1:%d+%)\n", shell(commands[5]))
    dev:expect "info greet: hello, Ada"
    assert.equal(0, (dev:stop()))
  end)

  it("puts jobs from PHP", function()
    local server, dir = beanstalkd.start {}, project()
    local php = blocks("README.md", "php")[1].body
    local changed
    php, changed = php:gsub("create%('127.0.0.1'%)", ("create('127.0.0.1', %d)"):format(server.port))
    assert.equal(1, changed)
    run(dir, server, { "php" }, php)
    local _, body = client.connect(server.address):command "reserve-with-timeout 0"
    assert.equal('{"job":"greet","data":{"name":"Grace"}}', body)
  end)
end)

describe("jobs/README.md", function()
  it("has handlers that run", function()
    local server, store, dir, puts, written = beanstalkd.start {}, redis.start(), project(), {}, {}
    for _, block in ipairs(blocks("jobs/README.md", "lua")) do
      local file = assert(block.body:match "^%-%- (jobs/%S+)", block.body)
      assert(os.execute(("mkdir -p %s/%s"):format(dir, file:match "(.*)/")))
      assert.is_nil(written[file], file .. " stands there twice")
      written[file] = true
      temp.write(dir .. "/" .. file, block.body)
      table.insert(puts, block.body:match "\n%-%- (lunastalk put [^\n]+)")
    end
    assert.is_true(#puts >= 5)
    temp.write(dir .. "/jobs/send_email.lua", "return function() end") -- newsletter puts one
    local database = postgres.start()
    database:query "CREATE TABLE orders (number integer PRIMARY KEY, cents integer)"
    temp.write(dir .. "/config.yml", ("settings: {cache: {port: %d}, database: {port: %d}}"):format(store.port,
      database.port))
    for _, block in ipairs(blocks("jobs/README.md", "sh")) do
      assert_shows(block.output, run(dir, server, { "bash", "-eu" }, block.body))
    end
    run(dir, server, { "bash", "-eu" }, table.concat(puts, "\n"))
    local output = run(dir, server,
      { "lunastalk", "run", "--stop-when-empty", "--log-level=debug", "--tube=default", "--tube=email.bulk" },
      nil, store)
    assert.is_nil(output:match "[^\n]* error [^\n]*")
    local _, finished = output:gsub("job finished", "")
    assert.is_true(finished >= #puts)
  end)
end)
