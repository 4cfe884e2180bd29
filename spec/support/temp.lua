--- Temporary directories and the files in them; removed at the end of the spec file.
local cleanup = require "spec.support.cleanup"
local stdlib = require "posix.stdlib"

local temp = {}

local function quoted(path)
  return "'" .. path:gsub("'", [['\'']]) .. "'"
end

--- A new empty directory (mode 700).
function temp.dir()
  local path = assert(stdlib.mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/lunastalk-spec.XXXXXX"))
  cleanup(function()
    os.execute("rm -rf -- " .. quoted(path))
  end)
  return path
end

--- Writes a file, making the directories above it; returns its path.
function temp.write(path, text)
  local file = io.open(path, "wb")
  if not file then
    os.execute("mkdir -p -- " .. quoted(path:match "^(.*)/[^/]*$"))
    file = assert(io.open(path, "wb"))
  end
  assert(file:write(text))
  file:close()
  return path
end

function temp.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

return temp
