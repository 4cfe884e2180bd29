-- What a handler does to the Lua state, undone: for tests, where one state runs them all.
local error, next, pcall, rawequal, rawget, rawset, type = error, next, pcall, rawequal, rawget, rawset, type

jit.off(true, true) -- what runs in between compiles anew each time, and this with it

local sandbox = {}

local ANY = {} -- a library that returned nothing: require makes `true` of that, or what it set itself

-- Libraries stay loaded, as long as it is they who stand in package.loaded: some, and those in C, bear no second time.
local libraries = {}

local function noting(searcher)
  return function(name)
    local load, where = searcher(name)
    if type(load) ~= "function" then
      return load
    end
    return function(...)
      local result = load(...)
      libraries[name] = type(result) == "nil" and ANY or result
      return result
    end, where
  end
end

--- Notes what is loaded through these; once.
-- @tparam table searchers package.loaders
-- @tparam number first the first that finds libraries
function sandbox.watch(searchers, first)
  for i = first, #searchers do
    searchers[i] = noting(searchers[i])
  end
end

-- Has `into` hold what `from` holds. `keeps`: what is not there and may stay.
local function copy(into, from, keeps)
  for key, value in next, into do
    if rawequal(rawget(from, key), nil) and not (keeps and keeps(key, value)) then
      rawset(into, key, nil)
    end
  end
  for key, value in next, from do
    if not rawequal(rawget(into, key), value) then
      rawset(into, key, value)
    end
  end
end

local function is_library(name, value)
  local library = rawget(libraries, name)
  return not rawequal(library, nil) and (rawequal(library, ANY) or rawequal(library, value))
end

local sethook, getmetatable, setmetatable = debug.sethook, debug.getmetatable, debug.setmetatable
local loaded, string_metatable = package.loaded, getmetatable ""

local tables = { _G, string_metatable, loaded }
for _, library in next, { "string", "table", "math", "os", "io", "debug", "coroutine", "package", "bit", "jit" } do
  tables[#tables + 1] = loaded[library]
end
local before = {} -- what was in each of them when the job began; kept, since the next finds nearly the same
for i = 1, #tables do
  before[i] = {}
end

--- Calls `f` and undoes what it did to the globals, the standard libraries and package.loaded.
-- @return what f returns or raises
function sandbox.run(f)
  for i = 1, #tables do
    copy(before[i], tables[i])
  end
  local fine, result = pcall(f)
  sethook()
  if not rawequal(getmetatable(""), string_metatable) then
    setmetatable("", string_metatable) -- only then: LuaJIT throws all compiled code away
  end
  for i = 1, #tables do
    copy(tables[i], before[i], tables[i] == loaded and is_library)
  end
  if not fine then
    error(result, 0)
  end
  return result
end

return sandbox
