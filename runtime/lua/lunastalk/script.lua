-- A script in the place of jobs: `lunastalk lua`, and busted for `lunastalk test`. Called by script.c.
local fakehost = require "lunastalk.fakehost"
local host = require "lunastalk.host"
local loader = require "lunastalk.loader"
local sandbox = require "lunastalk.sandbox"

-- They stay, whatever a job or busted does to package.loaded.
for _, name in next, { "dispatch", "log", "queue", "text" } do
  require("lunastalk." .. name)
end

local function busted()
  local found, runner = pcall(require, "busted.runner")
  if not found then
    io.stderr:write("lunastalk test: busted is not there for LuaJIT (apt-get install lua-busted):\n", runner, "\n")
    os.exit(78, true)
  end
  table.insert(arg, 1, "--ignore-lua") -- this is the interpreter that .busted wants
  return runner { standalone = false }
end

return function(max, delay)
  fakehost.configure(max, delay)
  local name = arg[0]
  local fine, files = pcall(loader.open, host, package.loaders, _G)
  fakehost.files, fakehost.problem = fine and files or nil, files
  sandbox.watch(package.loaders, fine and 3 or 2)
  local chunk, problem = busted, nil
  if name ~= "busted" then
    chunk, problem = loadfile(name)
  end
  if not chunk then
    io.stderr:write("lunastalk lua: ", problem, "\n")
    os.exit(66, true)
  end
  local passed, why = xpcall(function() return chunk(unpack(arg)) end, debug.traceback)
  if not passed then -- busted ends so: with an error that says nothing
    io.stderr:write(why and "lunastalk lua: " .. tostring(why) .. "\n" or "")
    os.exit(1, true)
  end
end
