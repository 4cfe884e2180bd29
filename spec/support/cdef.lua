--- ffi.cdef that bears being told the same declaration twice: LuaJIT keeps them for the whole run, and every spec file
--- declares what it uses.
local ffi = require "ffi"

--- Declares C text one declaration at a time (ended by `;` outside of braces).
return function(text)
  text = text:gsub("/%*.-%*/", " "):gsub("//[^\n]*", " ")
  local declaration, depth = {}, 0
  for piece in text:gmatch "[^;]*;" do
    table.insert(declaration, piece)
    depth = depth + select(2, piece:gsub("{", "")) - select(2, piece:gsub("}", ""))
    if depth == 0 then
      local ok, problem = pcall(ffi.cdef, table.concat(declaration))
      if not ok and not problem:find("attempt to redefine", 1, true) then
        error(problem, 2)
      end
      declaration = {}
    end
  end
end
