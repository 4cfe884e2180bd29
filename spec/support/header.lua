--- Declares what a header of runtime/ does, read from where it stands: so a spec has the structs that were built. For
--- headers without code; what they include has to be declared before.
local cdef = require "spec.support.cdef"
local temp = require "spec.support.temp"

return function(path)
  cdef((temp.read("runtime/" .. path):gsub("#[^\n]*", ""):gsub("_Atomic ", "")))
end
