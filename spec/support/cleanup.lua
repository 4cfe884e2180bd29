--- What a spec file leaves behind is cleared when it ends, also when it fails or does not load: last in, first out.
local busted = require "busted"

local pending = {}

busted.subscribe({ "file", "end" }, function()
  while #pending > 0 do
    local ok, problem = pcall(table.remove(pending))
    if not ok then
      io.stderr:write("cleanup: ", tostring(problem), "\n")
    end
  end
  return nil, true -- the next subscriber wants it too
end)

--- Calls `undo` at the end of the spec file.
return function(undo)
  table.insert(pending, undo)
end
