-- Loads what stands below the jobs directory: bootstrap, handlers, and on demand jobs/lib. Raises the first problem as
-- text that names the file.
local missing = require "lunastalk.missing"
local options = require "lunastalk.options"
local text = require "lunastalk.text"
local trace = require "lunastalk.trace"

local error, find, format, gsub, load, rawequal, select, setmetatable, sub, traceback, type, xpcall = error,
  string.find, string.format, string.gsub, load, rawequal, select, setmetatable, string.sub, debug.traceback, type,
  xpcall
local locate, of = trace.locate, text.of

local LONGEST = 16 * 1024 -- bytes of a message

local loader = {}

-- The environment of all files below jobs/. A variable that nobody declared is a typing error, found where it stands.
local function strict(globals)
  return setmetatable({}, {
    __index = function(_, name)
      local value = globals[name]
      if rawequal(value, nil) then
        error(format("variable %s is not defined", of(name, 100)), 2)
      end
      return value
    end,
    __newindex = function(_, name)
      error(format("assignment to the global variable %s: declare it local", of(name, 100)), 2)
    end,
  })
end

local function fail(shown, message)
  error(find(message, shown .. ":", 1, true) == 1 and message or format("%s: %s", shown, message), 0)
end

-- The compiled file, or nil when there is none.
local function compile(files, file)
  local shown = files.shown .. "/" .. file
  local source, problem = files.read(files.root .. "/" .. file)
  if problem then
    error(format("%s %s", shown, problem), 0)
  elseif not source then
    return nil
  elseif sub(source, 1, 1) == "\27" then
    error(shown .. " is bytecode, not Lua source", 0)
  end
  local chunk, message = load(source, "@" .. shown, "t", files.env)
  if not chunk then
    fail(shown, message)
  end
  return chunk, shown
end

-- Runs a file for what it returns.
local function run(files, file)
  local chunk, shown = compile(files, file)
  if not chunk then
    return
  end
  local function on_error(value)
    return of(type(value) == "string" and locate(value, sub(traceback("", 2), 2), files.shown) or value, LONGEST)
  end
  local function finish(fine, ...)
    if not fine then
      fail(shown, ...)
    end
    return ...
  end
  return finish(xpcall(chunk, on_error))
end

local function describe(count, result)
  if count == 0 or type(result) == "nil" then
    return count == 0 and "nothing" or "nil"
  elseif type(result) == "string" then
    return format("%q", of(result, 100))
  end
  return format("a %s (%s)", type(result), of(result, 100))
end

-- require "pdf.page" in a handler finds jobs/lib/pdf/page.lua before what is installed.
local function searcher(files)
  return function(name)
    local path = "lib/" .. gsub(name, "%.", "/")
    local chunk = compile(files, path .. ".lua") or compile(files, path .. "/init.lua")
    local shown = files.shown .. "/" .. path
    return chunk or format("\n\tno file '%s.lua'\n\tno file '%s/init.lua'", shown, shown)
  end
end

--- The jobs directory.
-- @param host `scan`, `read` and `closest` of lunastalk.host
-- @param searchers package.loaders, which learn where jobs/lib is
-- @param globals _G
-- @treturn table `list`: the files of the handlers, sorted; for the functions below
function loader.open(host, searchers, globals)
  local root, shown, list = host.scan()
  if not root then
    error(shown, 0)
  end
  local files = { root = root, shown = shown, list = list, read = host.read, env = strict(globals) }
  table.insert(searchers, 2, searcher(files)) -- behind package.preload
  table.insert(searchers, missing.searcher(function(name) return host.closest(root, name) end, shown))
  return files
end

--- Runs jobs/_bootstrap.lua, where there is one.
function loader.bootstrap(files)
  run(files, "_bootstrap.lua")
end

--- What jobs/_middleware.lua returns; nil: there is none.
-- @treturn function (job, next)
function loader.middleware(files)
  local function check(...)
    local result = ...
    if type(result) ~= "function" then
      fail(files.shown .. "/_middleware.lua", "it returns a function(job, next); this one returned "
        .. describe(select("#", ...), result))
    end
    return result
  end
  return compile(files, "_middleware.lua") and check(run(files, "_middleware.lua"))
end

--- Loads the file of a handler.
-- @tparam string file "email/welcome.lua"
-- @treturn function (job)
-- @treturn table its options: { timeout =, max =, delay = }
function loader.handler(files, file)
  local function check(...)
    local result = ...
    if type(result) == "function" then
      return result, options.read(file, {})
    elseif type(result) == "table" and type(result.process) == "function" then
      return result.process, options.read(files.shown .. "/" .. file, result)
    end
    fail(files.shown .. "/" .. file,
      'a handler file returns a function, or a table with a function "process"; this one returned '
      .. describe(select("#", ...), (...)))
  end
  return check(run(files, file))
end

--- Loads everything; parameters as of loader.open().
-- @treturn table name → function(job)
-- @treturn table their names, sorted, each with options: { name =, timeout =, max =, delay = }
-- @treturn ?function the middleware
-- @treturn string the directory, as the chunks below it are named
function loader.load(host, searchers, globals)
  local files = loader.open(host, searchers, globals)
  loader.bootstrap(files)
  local handlers, names = {}, {}
  for i = 1, #files.list do
    local name = gsub(sub(files.list[i], 1, -5), "/", ".")
    handlers[name], names[i] = loader.handler(files, files.list[i])
    names[i].name = name
  end
  return handlers, names, loader.middleware(files), files.shown
end

return loader
