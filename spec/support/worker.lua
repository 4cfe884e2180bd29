--- The real binaries of the build under test, in a project of their own.
local cjson = require "cjson"
local process = require "spec.support.process"
local stdlib = require "posix.stdlib"
local temp = require "spec.support.temp"

local worker = {}

--- Absolute path of a built file.
function worker.built(name)
  return assert(stdlib.realpath(os.getenv "BUILD" or "build")) .. "/" .. name
end

local function yaml(config)
  if type(config) == "string" then
    return config
  end
  return next(config) and cjson.encode(config):gsub("\\/", "/") or "" -- JSON is YAML, but for cjson's "\/"
end

--- Writes config.yml (a table or YAML text), jobs/ (name → text) and other files (path → text); returns the directory.
--- `server` (an object with an address) becomes beanstalkd.server where a table names none.
function worker.project(options)
  local dir = temp.dir()
  local config = options.config or {}
  if type(config) == "table" and options.server and not config.beanstalkd then
    config.beanstalkd = { server = options.server.address }
  end
  temp.write(dir .. "/config.yml", (yaml(config)))
  assert(os.execute("mkdir -p " .. dir .. "/jobs"))
  for name, text in pairs(options.jobs or {}) do
    temp.write(dir .. "/jobs/" .. name, text)
  end
  for path, text in pairs(options.files or {}) do
    temp.write(dir .. "/" .. path, text)
  end
  return dir
end

local function argv_of(command, arguments)
  local argv = { worker.built "lunastalk" }
  for _, list in ipairs { command, arguments or {} } do
    for _, argument in ipairs(list) do
      table.insert(argv, tostring(argument))
    end
  end
  return argv
end

--- Starts `lunastalk run` in a new project (or in options.dir). options: those of worker.project, args, env, user.
--- Returns the process (spec.support.process) with `dir` and :log(pattern, seconds, from).
function worker.start(options)
  local dir = options.dir or worker.project(options)
  local argv = argv_of({ "run", "--allow-root" }, options.args)
  local self = process.spawn(argv, { cwd = dir, env = options.env, user = options.user })
  self.dir = dir
  self.log = self.expect
  return self
end

--- Runs any subcommand to its end: worker.lunastalk("stats", "--json", {cwd =, stdin =, env =, seconds =}).
--- Returns exit code (nil when killed), stdout, stderr, signal.
function worker.lunastalk(...)
  local arguments, options = { ... }, {}
  if type(arguments[#arguments]) == "table" then
    options = table.remove(arguments)
  end
  return process.run(argv_of(arguments), options)
end

return worker
