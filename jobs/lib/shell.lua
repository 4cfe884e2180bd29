-- jobs/lib/shell.lua: other programs, run by the shell.

local shell = {}

-- A text as one word of a command line.
function shell.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a command line: its exit status, and all that it wrote. LuaJIT's close() may not tell the status: it is written
-- behind the rest.
function shell.run(line)
  local pipe = assert(io.popen("{ " .. line .. "; } 2>&1; printf '\\n%d' $?"))
  local said, status = pipe:read("*a"):match("^(.*)\n(%d+)$")
  pipe:close()
  return tonumber(status), said or ""
end

return shell
