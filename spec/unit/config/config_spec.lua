local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local json = require "cjson"
local lib = require "spec.support.ffi"
local temp = require "spec.support.temp"

cdef "typedef struct _IO_FILE FILE;"
header "base/level.h"
header "config/config.h"
cdef [[
  int mkfifo(const char *path, unsigned mode);
  char *getcwd(char *buffer, size_t size);
]]

local MB = 2 ^ 20

local function text(pointer)
  return pointer ~= nil and ffi.string(pointer) or nil
end

local function texts(list, count)
  local found = {}
  for i = 1, tonumber(count) do
    found[i] = text(list[i - 1])
  end
  return found
end

-- Everything of a struct config as a Lua table.
local function unpacked(config)
  local worker, jobs, executor, callbacks, log = config.worker, config.jobs, config.executor, config.callbacks, {}
  for i = 0, tonumber(config.log_count) - 1 do
    local sink = config.log[i]
    local kind = ({ [0] = "stdout", "stderr", "file", "redis", "email" })[tonumber(sink.to)]
    local own = ({
      file = function()
        return text(sink.path)
      end,
      redis = function()
        return ("%s %d"):format(text(sink.key), sink.max)
      end,
      email = function()
        local mail = sink.email
        return table.concat({
          text(mail.server), text(mail.from) or "-", table.concat(texts(mail.address, mail.address_count), "+"),
          text(mail.user) or "-", text(mail.password) or "-", text(mail.password_file) or "-",
          text(mail.ca_file) or "-",
          mail.interval_s,
        }, " ")
      end,
    })[kind]
    local format = tonumber(sink.format) == 1 and " json" or ""
    table.insert(log, kind .. " " .. text(lib.level_name(sink.level)) .. format .. (sink.buffer and " buffer" or "") ..
      (own and " " .. own() or ""))
  end
  return {
    name = text(worker.name),
    tubes = texts(worker.tubes, worker.tube_count),
    executors = worker.executors,
    shutdown_timeout = worker.shutdown_timeout_ms,
    server = text(config.beanstalkd.server),
    reserve_timeout = config.beanstalkd.reserve_timeout_s,
    path = text(jobs.path),
    retry_max = jobs.retry.max,
    retry_delay = jobs.retry.delay_s,
    timeout = jobs.timeout_ms,
    max_timeout = jobs.max_timeout_s,
    memory = tonumber(executor.memory),
    max_jobs = executor.max_jobs,
    max_memory = tonumber(executor.max_memory),
    redis = {
      server = text(config.redis.server),
      db = config.redis.db,
      user = text(config.redis.user),
      password = text(config.redis.password),
      password_file = text(config.redis.password_file),
      prefix = text(config.redis.prefix),
      beat = text(config.heartbeat.key) .. " " .. config.heartbeat.every_ms,
      reload = text(config.reload.key) .. " " .. text(config.reload.on_change),
      records = text(config.records.prefix) .. " " .. config.records.ttl_s,
    },
    callbacks = {
      tube = text(callbacks.tube),
      serve = callbacks.serve,
      concurrency = callbacks.concurrency,
      retries = callbacks.retries,
      allow = texts(callbacks.allow, callbacks.allow_count),
      secret = text(callbacks.secret),
      secret_file = text(callbacks.secret_file),
    },
    log = log,
    settings = text(config.settings),
  }
end

local function c_environment(variables)
  local list, strings = ffi.new("char *[?]", #variables + 1), {}
  for i, variable in ipairs(variables) do
    strings[i] = ffi.new("char[?]", #variable + 1, variable)
    list[i - 1] = strings[i]
  end
  return list, strings
end

-- { "--executors worker.executors=3" }: the flag, the key and the value of each.
local function c_flags(flags)
  local list, parts = ffi.new("struct config_flag[?]", #flags + 1), {}
  for i, flag in ipairs(flags) do
    local name, key, value = flag:match "^(%S+) ([^=]+)=(.*)$"
    parts[i] = { name, key, value }
    list[i - 1].flag, list[i - 1].key, list[i - 1].value = name, key, value
  end
  return list, parts
end

local function result(config, errors)
  if config ~= nil then
    assert.equal("", buffers.bytes(errors))
    return ffi.gc(config, lib.config_free)
  end
  return nil, buffers.bytes(errors)
end

-- A config, or nil and the errors. options: environment and flags.
local function parse(yaml, options)
  options = options or {}
  local errors = buffers.new()
  local environment, strings = c_environment(options.environment or {})
  local flags, parts = c_flags(options.flags or {})
  local bytes = buffers.new(yaml) -- exactly as long: a sanitizer sees a byte read behind it
  local config, problems = result(lib.config_parse("/srv/mail/config.yml", bytes.memory, #yaml, environment, flags,
    #(options.flags or {}), errors), errors)
  assert(strings and parts) -- kept until here
  return config, problems and problems:gsub("/srv/mail/", "")
end

local function load(file, environment)
  local errors = buffers.new()
  local list, strings = c_environment(environment or {})
  local config, problems = result(lib.config_load(file, list, nil, 0, errors), errors)
  assert(strings)
  return config, problems
end

local function write(bytes, name)
  local path = temp.dir() .. "/" .. (name or "config.yml")
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
  return path
end

local function printed(config)
  local path = temp.dir() .. "/printed.yml"
  local file = assert(io.open(path, "w"))
  lib.config_print(config, file)
  file:close()
  return assert(io.open(path)):read "*a", path
end

local defaults = {
  tubes = { "default" },
  executors = 1,
  shutdown_timeout = 8000,
  server = "127.0.0.1:11300",
  reserve_timeout = 60,
  path = "/srv/mail/jobs",
  retry_max = 0,
  retry_delay = 10,
  timeout = 0,
  max_timeout = 86400,
  memory = 512 * MB,
  max_jobs = 0,
  max_memory = 0,
  redis = {
    db = 0, prefix = "", beat = "workers.heartbeat 1000", reload = "worker_version reload", records = "jobs: 604800",
  },
  callbacks = { tube = "lunastalk.callbacks", serve = true, concurrency = 10, retries = 10, allow = {} },
  log = { "stdout info" },
  settings = "{}",
}

-- The defaults but for what is named.
local function changed(values)
  local all = {}
  for _, part in ipairs { defaults, values } do
    for key, value in pairs(part) do
      all[key] = value
    end
  end
  return all
end

describe("a configuration", function()
  describe("has every default", function()
    for name, yaml in pairs {
      ["nothing"] = "",
      ["comments"] = "# nothing\n\n  # here\n",
      ["an empty mapping"] = "{}",
      ["an empty document"] = "---\n...\n",
      ["null"] = "~\n",
      ["empty sections"] = "worker:\nbeanstalkd: {}\njobs: null\nexecutor:\ncallbacks: ~\n",
      ["null for every key"] = [[
worker: {name: null, tubes: ~, executors: null, shutdown_timeout: Null}
beanstalkd: {server: , reserve_timeout: NULL}
jobs: {path: , retry: {max: null, delay: ~}, timeout: null, max_timeout: }
executor: {memory: null, max_jobs: null, max_memory: null}
redis: {server: , db: , user: , password: , password_file: , prefix: }
heartbeat: {key: , every: }
reload: {key: , on_change: }
records: {prefix: , ttl: }
callbacks: {tube: , serve: , concurrency: , retries: , allow: , secret: , secret_file: }
log:
settings: null
]],
      ["null for retry"] = "jobs: {retry: }",
      ["a byte order mark"] = "\239\187\191{}",
    } do
      it("in a file of " .. name, function()
        assert.same(defaults, unpacked(assert(parse(yaml))))
      end)
    end

    it("in the shipped config.yml, which names every key", function()
      local config = assert(load "config.yml")
      local directory = text(config.directory)
      assert.same(changed {
        path = directory .. "/jobs",
        log = {
          "stdout debug", "file notice " .. directory .. "/log/worker.log", "redis warning json lunastalk.log 10000",
        },
      }, unpacked(config))
      for line in printed(config):gmatch "[^\n]+" do
        if line:find " # " and not line:find ": null " then
          assert.matches("# config%.yml:%d+:%d+$", line)
        end
      end
    end)
  end)

  it("can have the sink that the shipped config.yml has as a comment", function()
    local comment = temp.read("config.yml"):match "\n(  # %- to: email\n.-\n)\n"
    local config = assert(parse("log:\n" .. ("\n" .. comment):gsub("\n  # ", "\n  ")))
    assert.same({
      "email critical smtp://mail.example.org:587 lunastalk@example.org ops@example.org lunastalk secret - - 300",
    }, unpacked(config).log)
  end)

  it("takes every key", function()
    assert.same({
      name = "mail",
      tubes = { "email.priority", "2024", "a-+/;.$_()" },
      executors = 64,
      shutdown_timeout = 250,
      server = "[::1]:65535",
      reserve_timeout = 300,
      path = "/srv/handlers",
      retry_max = 1000,
      retry_delay = 3600,
      timeout = 1500,
      max_timeout = 1728000,
      memory = 2048 * MB,
      max_jobs = 1000000000,
      max_memory = 1025 * MB,
      redis = {
        server = "unix:/run/redis.sock", db = 3, user = "worker", password = "s", password_file = "/srv/mail/p",
        prefix = "shop ", beat = "beats 100", reload = "v exit", records = " 1",
      },
      callbacks = {
        tube = "hooks", serve = false, concurrency = 100, retries = 0, secret = "whsec_x", secret_file = "/srv/mail/s",
        allow = { "10.0.0.0/8", "::1", "hooks.internal" },
      },
      log = { "stderr debug", "stdout info" },
      settings = '{"smtp": {"port": 25}}',
    }, unpacked(assert(parse [[
worker: {name: mail, tubes: [email.priority, "2024", 'a-+/;.$_()'], executors: 64, shutdown_timeout: 250ms}
beanstalkd: {server: "[::1]:65535", reserve_timeout: 5m}
jobs: {path: /srv/handlers, retry: {max: 1000, delay: 1h}, timeout: 1500ms, max_timeout: 20d}
executor: {memory: 2GB, max_jobs: 1000000000, max_memory: 1025MB}
redis: {server: "unix:/run/redis.sock", db: 3, user: worker, password: s, password_file: p, prefix: "shop "}
heartbeat: {key: beats, every: 100ms}
reload: {key: v, on_change: exit}
records: {prefix: "", ttl: 1s}
callbacks:
  {tube: hooks, serve: false, concurrency: 100, retries: 0, secret: whsec_x, secret_file: s,
  allow: [10.0.0.0/8, "::1", hooks.internal]}
log: [{to: stderr, level: debug}, {to: stdout}]
settings: {smtp: {port: 25}}
]])))
  end)

  describe("reads a duration", function()
    for given, ms in pairs {
      ["0"] = 0,
      ["25"] = 25000,
      ["'25'"] = 25000,
      ["250ms"] = 250,
      ["25s"] = 25000,
      ["5m"] = 300000,
      ["2h"] = 7200000,
      ["1d"] = 86400000,
    } do
      it(given, function()
        assert.equal(ms, assert(parse("worker: {shutdown_timeout: " .. given .. "}")).worker.shutdown_timeout_ms)
      end)
    end
    for _, given in ipairs {
      "113x", "1.5s", "-1", "+1s", "s", "1 s", "1S", "2d", "86401", "99999999999999999999d", "0x10", "true",
    } do
      it("but not " .. given, function()
        local _, problems = parse("worker: {shutdown_timeout: " .. given .. "}")
        assert.matches("^config.yml:1:28: worker.shutdown_timeout must be a duration from 0ms to 1d, such as", problems)
      end)
    end
  end)

  describe("reads a size", function()
    for given, bytes in pairs {
      ["0"] = 0, ["0MB"] = 0, ["16MB"] = 16 * MB, ["'16MB'"] = 16 * MB, ["16777216"] = 16 * MB,
      ["16384KB"] = 16 * MB, ["1GB"] = 1024 * MB, ["1024GB"] = 2 ^ 40,
    } do
      it(given, function()
        assert.equal(bytes, tonumber(assert(parse("executor: {memory: " .. given .. "}")).executor.memory))
      end)
    end
    for _, given in ipairs { "16777215", "15MB", "1025GB", "17179869184GB", "1.5GB", "512M", "512mb", "-1", "true" } do
      it("but not " .. given, function()
        local _, problems = parse("executor: {memory: " .. given .. "}")
        assert.matches("^config.yml:1:20: executor.memory must be a size from 16MB to 1048576MB, such as 512MB, or 0 "
          .. "for no limit, not ", problems)
      end)
    end
  end)

  describe("knows the servers", function()
    for _, server in ipairs {
      "127.0.0.1:1", "queue.example.com:11300", "a_b-c:65535", "[::1]:11300", "[2001:db8::1.2.3.4]:1",
      "unix:/run/b.sock",
    } do
      it(server, function()
        local config = assert(parse("beanstalkd: {server: '" .. server .. "'}"))
        assert.equal(server, text(config.beanstalkd.server))
      end)
    end
    for _, server in ipairs {
      "", "localhost", "localhost:", ":11300", "a:0", "a:65536", "a:1x", "a b:1", "::1:11300", "[::1]", "[::1]:",
      "[x]:1",
      "[127.0.0.1]:1", "unix:", "unix:b.sock", "unix:/" .. ("x"):rep(200), "tcp://a:1", ("x"):rep(254) .. ":1",
    } do
      it("but not '" .. server:sub(1, 20) .. "'", function()
        local _, problems = parse("beanstalkd: {server: '" .. server .. "'}")
        assert.matches("^config.yml:1:22: beanstalkd.server must be host:port, %[IPv6 address%]:port or unix:/path",
          problems)
      end)
    end
  end)

  describe("turns settings into JSON:", function()
    for given, expected in pairs {
      ["{}"] = "{}",
      ["{a: [1, {b: []}], '': {}}"] = '{"a": [1, {"b": []}], "": {}}',
      ["{a: ~, b: , c: null, d: 'null'}"] = '{"a": null, "b": null, "c": null, "d": "null"}',
      ["{a: true, b: FALSE, c: yes, d: 'true'}"] = '{"a": true, "b": false, "c": "yes", "d": "true"}',
      ["{a: 12345678901234567890123, b: -0, c: +7, d: 007, e: '7'}"] =
        '{"a": 12345678901234567890123, "b": -0, "c": 7, "d": 7, "e": "7"}',
      ["{a: 0x1F, b: 0o17, c: 0b1, d: 1_000, e: 1.2.3}"] =
        '{"a": 31, "b": 15, "c": "0b1", "d": "1_000", "e": "1.2.3"}',
      ["{a: .5, b: 1., c: -01.50e+3, d: 1.e5, e: 6E2}"] =
        '{"a": 0.5, "b": 1.0, "c": -1.50e+3, "d": 1.0e5, "e": 6E2}',
      ['{a: "\\0\\n\\"\\\\\\u00e9", 1: one}'] = '{"a": "\\u0000\\n\\"\\\\é", "1": "one"}',
    } do
      it(given, function()
        local settings = text(assert(parse("settings: " .. given)).settings)
        assert.equal(expected, settings)
        assert.equal("table", type(json.decode(settings)))
      end)
    end

    it("a block text", function()
      assert.equal('{"a": "x\\ny\\n"}', text(assert(parse "settings:\n  a: |\n    x\n    y\n").settings))
    end)
  end)
end)

describe("a mistake in config.yml", function()
  local tube = "worker.tubes must be names of 1 to 200 characters of A-Z a-z 0-9 - + / ; . $ _ ( ), "
    .. "with no - in front, not "
  local reserve_timeout = "1:31: beanstalkd.reserve_timeout must be a duration from 1s to 1h of whole seconds, "
    .. "such as 25s or 5m, not "
  for _, case in ipairs {
    -- keys
    { "workr: {}", "1:1: unknown key 'workr'; did you mean 'worker'?" },
    { "worker:\n  name: a\n  tubs: [x]", "3:3: unknown key 'tubs' in worker; did you mean 'tubes'?" },
    { "worker: {zzzzzzzz: 1}", "1:10: unknown key 'zzzzzzzz' in worker" },
    { "worker.executors: 2", "1:1: unknown key 'worker.executors'" },
    { "jobs: {retry.max: 2}", "1:8: unknown key 'retry.max' in jobs; did you mean 'retry'?" },
    { "jobs: {retry: {mx: 2}}", "1:16: unknown key 'mx' in jobs.retry; did you mean 'max'?" },
    { "jobs: {retries: 2}", "1:8: unknown key 'retries' in jobs; did you mean 'retry'?" },
    { "max: 2", "1:1: unknown key 'max'" },
    { "metrics: null", "1:1: unknown key 'metrics'" },
    { "worker: {user: www-data}", "1:10: unknown key 'user' in worker" },
    { '"worker\\0": {}', "1:1: unknown key 'worker\\u0000'; did you mean 'worker'?" },
    { '"a\\nb\\e[1m": 1', "1:1: unknown key 'a\\nb\\u001b[1m'" },
    { "? [a]\n: 1", "1:3: a list or a mapping cannot be a key" },
    { "log:\n- {to: stdout, lvl: info}", "2:16: unknown key 'lvl' in log; did you mean 'level'?" },
    -- types
    { "[]", "1:1: the configuration must be a mapping of keys to values, not an empty list" },
    { "42", "1:1: the configuration must be a mapping of keys to values, not the number 42" },
    { "worker: 5", "1:9: worker must be a mapping of keys to values, not the number 5" },
    { "worker: {name: 5}", "1:16: worker.name must be text, not the number 5; put it in quotes" },
    { "worker: {name: true}", "1:16: worker.name must be text, not true; put it in quotes" },
    { "worker: {name: [a]}", "1:16: worker.name must be 1 to 64 characters of A-Z a-z 0-9 . _ -, not a list of 1" },
    { "worker: {name: 'a b'}", "1:16: worker.name must be 1 to 64 characters of A-Z a-z 0-9 . _ -, not 'a b'" },
    { 'worker: {name: "a\\0"}', "1:16: worker.name holds a NUL character" },
    { 'worker: {tubes: ["a\\0"]}', "1:18: " .. tube .. "'a\\u0000'" },
    { 'log: [{to: "stdout\\0"}]', "1:12: log.to holds a NUL character" },
    { "worker: {executors: 0}", "1:21: worker.executors must be a whole number from 1 to 64, not the number 0" },
    { "worker: {executors: 65}", "1:21: worker.executors must be a whole number from 1 to 64, not the number 65" },
    { "worker: {executors: 113x}", "1:21: worker.executors must be a whole number from 1 to 64, not '113x'" },
    { "worker: {executors: '2'}", "1:21: worker.executors must be a whole number from 1 to 64, not '2'" },
    { "worker: {executors: 2.0}", "1:21: worker.executors must be a whole number from 1 to 64, not the number 2.0" },
    { "worker: {tubes: a}", "1:17: worker.tubes must be a list of 1 to 1000 names, not 'a'" },
    { "worker: {tubes: []}", "1:17: worker.tubes must be a list of 1 to 1000 names, not an empty list" },
    { "worker: {tubes: [" .. ("a,"):rep(1001) .. "]}",
      "1:17: worker.tubes must be a list of 1 to 1000 names, not a list of 1001" },
    { "worker: {tubes: [a, b c]}", "1:21: " .. tube .. "'b c'" },
    { "worker: {tubes: ['']}", "1:18: " .. tube .. "''" },
    { "worker: {tubes: [~]}", "1:18: " .. tube .. "null" },
    { "worker: {tubes: ['-a']}", "1:18: " .. tube .. "'-a'" },
    { "worker: {tubes: [é]}", "1:18: " .. tube .. "'é'" },
    { "worker: {tubes: [" .. ("x"):rep(201) .. "]}", "1:18: " .. tube .. "'" .. ("x"):rep(60) .. "…'" },
    { "worker: {tubes: [7]}", "1:18: worker.tubes must be text, not the number 7; put it in quotes" },
    { "worker: {tubes: [a, b, a]}", "1:24: worker.tubes names 'a' twice" },
    { "beanstalkd: {reserve_timeout: 1500ms}", reserve_timeout .. "'1500ms'" },
    { "beanstalkd: {reserve_timeout: 0}", reserve_timeout .. "the number 0" },
    { "jobs: {path: ''}", "1:14: jobs.path must be a path, not ''" },
    { "jobs: {retry: 5}", "1:15: jobs.retry must be a mapping of keys to values, not the number 5" },
    { "jobs: {retry: {max: 1001}}", "1:21: jobs.retry.max must be a whole number from 0 to 1000, not the number 1001" },
    { "jobs: {retry: {max: '5'}}", "1:21: jobs.retry.max must be a whole number from 0 to 1000, not '5'" },
    { "jobs: {retry: {delay: 2d}}",
      "1:23: jobs.retry.delay must be a duration from 0ms to 1d of whole seconds, such as 25s or 5m, not '2d'" },
    { "jobs: {timeout: 0}",
      "1:17: jobs.timeout must be a duration from 1ms to 20d, such as 250ms, 25s or 5m, not the number 0" },
    { "jobs: {max_timeout: 1500ms}",
      "1:21: jobs.max_timeout must be a duration from 1s to 20d of whole seconds, such as 25s or 5m, not '1500ms'" },
    { "executor: {max_jobs: -1}",
      "1:22: executor.max_jobs must be a whole number from 0 to 1000000000, not the number -1" },
    { "executor: {max_memory: 10}", "1:24: executor.max_memory must be a size from 1MB to 1048576MB, such as 512MB, "
      .. "or 0 for no limit, not the number 10" },
    { "executor: {memory: [512MB]}", "1:20: executor.memory must be a size from 16MB to 1048576MB, such as 512MB, "
      .. "or 0 for no limit, not a list of 1" },
    { 'callbacks: {secret: "a\\nb"}', "1:21: callbacks.secret must be a text of 1 to 256 characters, in quotes" },
    { "callbacks: {secret: 12345}", "1:21: callbacks.secret must be a text of 1 to 256 characters, in quotes" },
    { "redis: {prefix: \"a\\n\"}",
      "1:17: redis.prefix must be at most 200 characters, none of them a control character, not 'a\\n'" },
    { "reload: {on_change: stop}", "1:21: reload.on_change must be reload or exit, not 'stop'" },
    { "heartbeat: {every: 99ms}", "1:20: heartbeat.every must be a duration from 100ms to 1m, such as 250ms, 25s or "
      .. "5m, not '99ms'" },
    { "callbacks: {serve: 1}", "1:20: callbacks.serve must be true or false, not the number 1" },
    { "callbacks: {allow: [10.0.0.0/33]}",
      "1:21: callbacks.allow must be host names, addresses, or ranges such as 10.0.0.0/8, not '10.0.0.0/33'" },
    { "log: []", "1:6: log must be a list of 1 to 16 sinks such as {to: stdout, level: info}, not an empty list" },
    { "log: stdout", "1:6: log must be a list of 1 to 16 sinks such as {to: stdout, level: info}, not 'stdout'" },
    { "log: [stdout]", "1:7: a sink of log must be a mapping such as {to: stdout, level: info}, not 'stdout'" },
    { "log: [{level: info}]", "1:7: a sink of log needs 'to': stdout, stderr, file, redis or email" },
    { "log: [{to: syslog}]", "1:12: log.to must be stdout, stderr, file, redis or email, not 'syslog'" },
    { "log: [{to: stdout, path: x}]", "1:20: unknown key 'path' in log" },
    { "log: [{to: stdout, buffer: 1}]", "1:28: log.buffer must be true or false, not the number 1" },
    { "log: [{to: file}]", "1:7: a sink of log to file needs 'path': where to write" },
    { "log: [{to: file, path: /tmp}]", "1:24: log.path must be a file, '/tmp' is a directory" },
    { "log: [{to: file, path: log/}]", "1:24: log.path must be a file, 'log/' is a directory" },
    { "log: [{to: redis, max: 0}]", "1:24: log.max must be a whole number from 1 to 100000000, not the number 0" },
    { 'log: [{to: redis, key: "a\\nb"}]',
      "1:24: log.key must be 1 to 200 characters, none of them a control character, not 'a\\nb'" },
    { "log: [{to: email, address: a@b.c}]", "1:7: a sink of log to email needs 'server': smtp://host or smtps://host" },
    { "log: [{to: email, server: 'smtp://h'}]", "1:7: a sink of log to email needs 'address': to whom" },
    { "log: [{to: email, server: h, address: a@b.c}]",
      "1:27: log.server must be smtp://host, smtp://host:port or smtps://host, not 'h'" },
    { "log: [{to: email, server: 'smtp://unix:/x', address: a@b.c}]",
      "1:27: log.server must be smtp://host, smtp://host:port or smtps://host, not 'smtp://unix:/x'" },
    { "log: [{to: email, server: 'smtp://h', address: [a@b.c, \"a@b.c\\r\\nRCPT TO:<e@f.g>\"]}]",
      "1:56: log.address must be a mail address such as ops@example.org, not 'a@b.c\\r\\nRCPT TO:<e@f.g>'" },
    { "log: [{to: email, server: 'smtp://bob:CANARY@h', address: a@b.c}]",
      "1:27: log.server must be smtp://host, smtp://host:port or smtps://host; log.user and log.password have keys of "
        .. "their own" },
    { "log: [{to: email, server: 'smtp://h', address: ops}]",
      "1:48: log.address must be a mail address such as ops@example.org, not 'ops'" },
    { "log: [{to: email, server: 'smtp://h', address: []}]",
      "1:48: log.address must be a list of 1 to 50 names, not an empty list" },
    { "log: [{to: email, server: 'smtp://h', address: a@b.c, from: 'x <a@b.c>'}]",
      "1:61: log.from must be a mail address such as ops@example.org, not 'x <a@b.c>'" },
    { "log: [{to: email, server: 'smtp://h', address: a@b.c, password: CANARY}]",
      "1:7: log.password needs log.user" },
    { "log: [{to: email, server: 'smtp://h', address: a@b.c, user: u, password: CANARY, password_file: x}]",
      "1:97: log.password and log.password_file are both set; remove one" },
    { "log: [{to: email, server: 'smtp://h', address: a@b.c, user: u, password: [CANARY]}]",
      "1:74: log.password must be a text of 1 to 256 characters, in quotes" },
    { "log: [{to: email, server: 'smtp://h', address: a@b.c, interval: 0}]",
      "1:65: log.interval must be a duration from 1s to 1d of whole seconds, such as 25s or 5m, not the number 0" },
    { "log: [{to: stdout, format: xml}]", "1:28: log.format must be line or json, not 'xml'" },
    { "log: [{to: stdout, format: [json]}]", "1:28: log.format must be line or json, not a list of 1" },
    { "log: [{to: stdout, level: inf}]",
      "1:27: log.level must be one of debug, info, notice, warning, error, critical, alert or emergency, not 'inf'" },
    { "settings: []", "1:11: settings must be a mapping of keys to values, not an empty list" },
    { "settings: {a: .inf}", "1:15: settings cannot hold the number .inf; put it in quotes" },
    { "settings: {a: -.NaN1, b: .nan}", "1:26: settings cannot hold the number .nan; put it in quotes" },
    { "settings: {a: 1e999}", "1:15: settings cannot hold the number 1e999; put it in quotes" },
    { "settings: {a: 0xfffffffffffffffff}",
      "1:15: settings cannot hold the number 0xfffffffffffffffff; put it in quotes" },
    -- YAML
    { "worker: {executors: &n 2}", "1:21: anchors and aliases are not accepted; write the value out" },
    { "worker: {executors: !!int 2}", "1:21: tags are not accepted; put text in quotes instead" },
    { "settings: {a: {<<: {b: 1}}}", "1:16: merge keys are not accepted; write the keys out" },
    { "worker: {name: a}\njobs: {}\nworker: {name: b}", "3:1: the key 'worker' is already at config.yml:1:1" },
    { "settings: {a: {x: 1, y: 2, 'x': 3}}", "1:28: the key 'x' is already at config.yml:1:16" },
    { "jobs: {}\n---\njobs: {}", "2:1: a second document; one is accepted" },
    { "worker:\n\tname: a",
      "2:1: not valid YAML: found character that cannot start any token while scanning for the next token" },
    { "worker: {name: a\n", "2:1: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping" },
    { "jobs: {}\n# é\n\0", "3:1: not valid YAML: control characters are not allowed" },
    { "jobs: {}\nworker:\n  name: é\255", "3:10: not valid YAML: invalid leading UTF-8 octet" },
    { "\255\254{\0}\0", "1:1: not valid YAML: invalid leading UTF-8 octet" },
    { "settings: " .. ("["):rep(16), "1:26: nested deeper than 16 levels" },
    { ("["):rep(100000), "1:17: nested deeper than 16 levels" },
    { "settings: " .. ("{a: "):rep(16) .. "1" .. ("}"):rep(16), "1:71: nested deeper than 16 levels" },
  } do
    it("is named: " .. case[1]:sub(1, 50):gsub("%c", " "), function()
      local config, problems = parse(case[1])
      assert.is_nil(config)
      assert.equal("config.yml:" .. case[2] .. "\n", problems)
    end)
  end

  it("is named with all the others", function()
    local _, problems = parse([[
worker:
  tubs: [a]
  executors: many
  shutdown_timeout: 1x
beanstalkd:
  server: localhost
settings: {a: 1, a: 2}
]], { environment = { "LUNASTALK_WORKER_EXECUTORS=none" }, flags = { "--name worker.name=a b" } })
    local places = {}
    for line in problems:gmatch "[^\n]+" do
      table.insert(places, line:match "^(.-): ")
    end
    assert.same({
      "config.yml:7:18", "config.yml:2:3", "config.yml:3:14", "config.yml:4:21", "config.yml:6:11",
      "LUNASTALK_WORKER_EXECUTORS", "--name",
    }, places)
  end)

  it("is one of at most fifty that are shown", function()
    local lines = {}
    for i = 1, 80 do
      lines[i] = "x" .. i .. ": 1\n"
    end
    local _, problems = parse(table.concat(lines))
    assert.equal(51, select(2, problems:gsub("\n", "")))
    assert.matches("\nand 30 more\n$", problems)
  end)
end)

describe("environment and flags", function()
  it("override the file, in this order", function()
    local MAIL = "email info smtp://h - a@b.c - - - - 300" -- for which no flag and no variable is meant
    local yaml = "worker: {name: file, executors: 2, tubes: [file]}\n"
      .. "log: [{to: stderr}, {to: stdout}, {to: email, server: 'smtp://h', address: a@b.c}]"
    local options = {
      environment = {
        "PATH=/bin", "LUNASTALK_WORKER_NAME=5", "LUNASTALK_WORKER_EXECUTORS=3", "LUNASTALK_WORKER_TUBES=a , b,c",
        "LUNASTALK_BEANSTALKD_SERVER=[::1]:11300", "LUNASTALK_BEANSTALKD_RESERVE_TIMEOUT=5s",
        "LUNASTALK_WORKER_SHUTDOWN_TIMEOUT=25s", "LUNASTALK_JOBS_PATH=../jobs",
        "LUNASTALK_JOBS_RETRY_MAX=5", "LUNASTALK_JOBS_RETRY_DELAY=1m", "LUNASTALK_JOBS_TIMEOUT=250ms",
        "LUNASTALK_JOBS_MAX_TIMEOUT=1h", "LUNASTALK_EXECUTOR_MEMORY=0", "LUNASTALK_EXECUTOR_MAX_JOBS=9",
        "LUNASTALK_EXECUTOR_MAX_MEMORY=1GB", "LUNASTALK_REDIS_SERVER=r:1", "LUNASTALK_REDIS_DB=1",
        "LUNASTALK_REDIS_USER=u", "LUNASTALK_REDIS_PASSWORD=123", "LUNASTALK_REDIS_PASSWORD_FILE=/etc/r",
        "LUNASTALK_REDIS_PREFIX=p:", "LUNASTALK_HEARTBEAT_KEY=h", "LUNASTALK_HEARTBEAT_EVERY=60s",
        "LUNASTALK_RELOAD_KEY=v", "LUNASTALK_RELOAD_ON_CHANGE=exit", "LUNASTALK_RECORDS_PREFIX=j",
        "LUNASTALK_RECORDS_TTL=60", "LUNASTALK_CALLBACKS_TUBE=c", "LUNASTALK_CALLBACKS_SERVE=false",
        "LUNASTALK_CALLBACKS_CONCURRENCY=1", "LUNASTALK_CALLBACKS_RETRIES=1", "LUNASTALK_CALLBACKS_ALLOW=a.b, 10.1.2.3",
        "LUNASTALK_CALLBACKS_SECRET=12345", "LUNASTALK_CALLBACKS_SECRET_FILE=/etc/s",
        "LUNASTALK_SETTINGS={a: [1]}", "LUNASTALK_LOG_LEVEL=error", "LUNASTALK_CONFIG=elsewhere.yml",
      },
    }
    local by_environment = {
      name = "5",
      tubes = { "a", "b", "c" },
      executors = 3,
      shutdown_timeout = 25000,
      server = "[::1]:11300",
      reserve_timeout = 5,
      path = "/srv/mail/../jobs",
      retry_max = 5,
      retry_delay = 60,
      timeout = 250,
      max_timeout = 3600,
      memory = 0,
      max_jobs = 9,
      max_memory = 1024 * MB,
      redis = {
        server = "r:1", db = 1, user = "u", password = "123", password_file = "/etc/r", prefix = "p:", beat = "h 60000",
        reload = "v exit", records = "j 60",
      },
      callbacks = { tube = "c", serve = false, concurrency = 1, retries = 1, allow = { "a.b", "10.1.2.3" },
        secret = "12345", secret_file = "/etc/s" },
      log = { "stderr error", "stdout error", MAIL },
      settings = '{"a": [1]}',
    }
    assert.same(by_environment, unpacked(assert(parse(yaml, options))))
    options.flags = {
      "--executors worker.executors=4", "--executors worker.executors=5", "--tube worker.tubes=x",
      "--tube worker.tubes=y", "--log-level log.level=debug",
    }
    by_environment.executors, by_environment.tubes = 5, { "x", "y" }
    by_environment.log = { "stderr debug", "stdout debug", MAIL }
    assert.same(by_environment, unpacked(assert(parse(yaml, options))))
  end)

  it("give lists and mappings as YAML", function()
    local config = unpacked(assert(parse("", {
      environment = { "LUNASTALK_WORKER_TUBES=['a', \"b\"]", "LUNASTALK_LOG=[{to: stderr, level: alert}]" },
    })))
    assert.same({ { "a", "b" }, { "stderr alert" } }, { config.tubes, config.log })
  end)

  it("leave alone what an empty variable names", function()
    assert.equal(2, assert(parse("worker: {executors: 2}", { environment = { "LUNASTALK_WORKER_EXECUTORS=" } })).worker
      .executors)
  end)

  for variable, expected in pairs {
    ["LUNASTALK_WORKER_TUBS=a"] = "LUNASTALK_WORKER_TUBS: unknown variable; did you mean 'LUNASTALK_WORKER_TUBES'?",
    ["LUNASTALK_=a"] = "LUNASTALK_: unknown variable; no option has this name",
    ["LUNASTALK_SOMETHING_ELSE"] = "LUNASTALK_SOMETHING_ELSE: unknown variable; no option has this name",
    ["LUNASTALK_WORKER_EXECUTORS=0"] =
      "LUNASTALK_WORKER_EXECUTORS: worker.executors must be a whole number from 1 to 64, not '0'",
    ["LUNASTALK_WORKER_TUBES=a,a"] = "LUNASTALK_WORKER_TUBES: worker.tubes names 'a' twice",
    ["LUNASTALK_WORKER_TUBES=[a"] =
      "LUNASTALK_WORKER_TUBES: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence",
    ["LUNASTALK_LOG=stdout"] = "LUNASTALK_LOG: log must be a list of 1 to 16 sinks such as {to: stdout, level: info}, "
      .. "not 'stdout'",
    ["LUNASTALK_SETTINGS=5"] = "LUNASTALK_SETTINGS: settings must be a mapping of keys to values, not the number 5",
    ["LUNASTALK_SETTINGS={a: {lvl: &x 1}}"] =
      "LUNASTALK_SETTINGS: anchors and aliases are not accepted; write the value out",
  } do
    it("are checked: " .. variable, function()
      local _, problems = parse("", { environment = { variable } })
      assert.equal(expected .. "\n", problems)
    end)
  end

  it("are checked: an empty flag", function()
    local _, problems = parse("", { flags = { "--executors worker.executors=", "--tube worker.tubes=" } })
    assert.matches("^%-%-tube: worker.tubes must be names .- not ''\n"
      .. "%-%-executors: worker.executors must be a whole number from 1 to 64, not ''\n$", problems)
  end)
end)

describe("a file", function()
  it("is found by name, its directory being that of all paths", function()
    local path = write "jobs: {path: handlers}"
    local config = assert(load(path))
    assert.equal(path, text(config.file))
    assert.equal(path:match "^(.*)/", text(config.directory))
    assert.equal(path:match "^(.*)/" .. "/handlers", text(config.jobs.path))
  end)

  it("is found by LUNASTALK_CONFIG, unless one is named", function()
    local named, other = write "worker: {executors: 2}", write "worker: {executors: 3}"
    assert.equal(3, assert(load(nil, { "LUNASTALK_CONFIG=" .. other })).worker.executors)
    assert.equal(2, assert(load(named, { "LUNASTALK_CONFIG=" .. other })).worker.executors)
  end)

  it("need not be there when none is named", function()
    local config = assert(parse(""))
    assert.equal("/srv/mail", text(config.directory))
    local errors = buffers.new()
    config = result(lib.config_parse(nil, "", 0, c_environment {}, nil, 0, errors), errors)
    assert.is_nil(text(config.file))
    assert.equal(text(lib.getcwd(ffi.new "char[4096]", 4096)), text(config.directory))
  end)

  it("may have 256 KB and no byte more", function()
    assert(load(write(("#"):rep(256 * 1024))))
    local path = write(("#"):rep(256 * 1024 + 1))
    local _, problems = load(path)
    assert.equal(path .. ": cannot be read: Larger than 256 KB\n", problems)
  end)

  it("must be a regular one that is there", function()
    local directory = temp.dir()
    local fifo = directory .. "/fifo.yml"
    assert.equal(0, lib.mkfifo(fifo, 384))
    for path, fault in pairs {
      [directory] = "Is a directory",
      [fifo] = "Not a regular file",
      ["/dev/null"] = "Not a regular file",
      [directory .. "/none.yml"] = "No such file or directory",
      [directory .. "/fifo.yml/x"] = "Not a directory",
    } do
      local config, problems = load(path)
      assert.is_nil(config)
      assert.equal(path .. ": cannot be read: " .. fault .. "\n", problems)
    end
  end)

  it("has its name escaped in messages", function()
    local path = write("x: 1", "a\nb.yml")
    local _, problems = load(path)
    assert.matches("a\\nb.yml:1:1: unknown key 'x'", problems, 1, true)
  end)

  it("of any bytes never crashes the reader", function()
    local seed = 7
    local pieces = {
      "worker", "tubes", "settings", "log", ": ", "\n", " ", "- ", "[", "]", "{", "}", ",", "'", '"', "\\", "&a", "*a",
      "!t ", "|", ">", "#", "?", "---", "%", "\t", "\0", "\255", "é", "<<", "0x", "1e5", "\r", "@",
    }
    local function random(limit)
      seed = (seed * 16807) % 2147483647
      return seed % limit + 1
    end
    for _ = 1, 3000 do
      local parts = {}
      for i = 1, random(40) do
        parts[i] = pieces[random(#pieces)]
      end
      local config, problems = parse(table.concat(parts))
      assert(config or problems:find "^config.yml:")
    end
  end)
end)

describe("printing", function()
  it("names the origin of every value", function()
    local output = printed(assert(parse("worker:\n  name: mail\nlog: [{to: stderr}]\njobs: {retry: {delay: 60}}", {
      environment = { "LUNASTALK_CALLBACKS_SECRET=hush", "LUNASTALK_WORKER_EXECUTORS=2", "LUNASTALK_LOG_LEVEL=debug" },
      flags = { "--tube worker.tubes=a", "--tube worker.tubes=b$" },
    })))
    assert.equal([[
worker:
  name: mail # /srv/mail/config.yml:2:9
  tubes: [a, "b$"] # --tube
  executors: 2 # LUNASTALK_WORKER_EXECUTORS
  shutdown_timeout: 8s # default
beanstalkd:
  server: 127.0.0.1:11300 # default
  reserve_timeout: 1m # default
jobs:
  path: /srv/mail/jobs # default
  retry:
    max: 0 # default
    delay: 1m # /srv/mail/config.yml:4:23
  timeout: null # default
  max_timeout: 1d # default
executor:
  memory: 512MB # default
  max_jobs: 0 # default
  max_memory: 0KB # default
redis:
  server: null # default
  db: 0 # default
  user: null # default
  password: null # default
  password_file: null # default
  prefix: "" # default
heartbeat:
  key: workers.heartbeat # default
  every: 1s # default
reload:
  key: worker_version # default
  on_change: reload # default
records:
  prefix: "jobs:" # default
  ttl: 7d # default
callbacks:
  tube: lunastalk.callbacks # default
  serve: true # default
  concurrency: 10 # default
  retries: 10 # default
  allow: [] # default
  secret: "***" # LUNASTALK_CALLBACKS_SECRET
  secret_file: null # default
log: [{to: stderr, level: debug, format: line, buffer: false}] # /srv/mail/config.yml:3:6; level: LUNASTALK_LOG_LEVEL
settings: {} # default
]], (output:gsub(" +#", " #")))
  end)

  it("is a configuration of the same values", function()
    for _, yaml in ipairs {
      "",
      "worker: {name: 'null', tubes: ['1', 'true', '1e5', '0x1', a, ./b, /c, 'a;b', '.5', '(x)'], shutdown_timeout: 0}",
      "worker: {name: '-', shutdown_timeout: 1500ms}\njobs: {path: \"a: b # c'd\\\"e\\n\"}",
      "beanstalkd: {server: '[::1]:1', reserve_timeout: 1h}\nlog: [{to: stderr, level: emergency}, {to: stdout}]",
      "jobs: {retry: {max: 3}, timeout: 90m}\nexecutor: {memory: 0, max_memory: 1025MB}",
      "log: [{to: file, path: log/a b.log, level: notice}, {to: redis, key: 'a: b', max: 3, buffer: true}]",
      "log: [{to: email, server: 'smtps://[::1]:465', address: [a@b.c, d@e.f], user: 'u: v', password_file: p, "
        .. "ca_file: c}]",
      "callbacks: {allow: ['fe80::/10', '::1', '10', a.b], serve: FALSE, secret_file: x}",
      [[settings: {a: "\0\a\x7f\x80\x85\xa0é\u2028\u2029\ufeff\ufffe\uffff\U0001f600", "k: # x": "y"}]],
      "settings: {b: [1, [2.5, {}], null]}",
    } do
      local config = assert(parse(yaml))
      local _, path = printed(config)
      assert.same(unpacked(config), unpacked(assert(load(path))))
    end
  end)
end)
