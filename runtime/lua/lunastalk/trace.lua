-- An error as people read it: the line of their own code comes first, and no frame is ours. Plain text in and out.
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub

local MARK = "stack traceback:\n"
local OUR_XPCALL = "\n\t%[C%]: in function 'xpcall'(\n\tlunastalk%.)"
local OURS = "\n\tlunastalk%.%l+:%d+: in [^\n]*"

-- What lua/stop.c raises: the reason is the runtime's, wherever it struck.
local stops = { "^timed out after [%d.]+ s$", "^cancelled$", "^its reservation was lost$" }

local trace = {}

local function is_stop(reason)
  for i = 1, #stops do
    if find(reason, stops[i]) then
      return true
    end
  end
  return false
end

--- Takes an error's text apart that has a traceback in it, as xpcall(f, debug.traceback) makes them: it shows where the
-- error was, and the later one only where it was passed on.
-- @treturn string the text before it
-- @treturn ?string the traceback
function trace.split(reason)
  local at = find(reason, "\n" .. MARK, 1, true)
  if at then
    return sub(reason, 1, at - 1), sub(reason, at + 1)
  end
  return reason
end

--- A traceback without our frames.
function trace.strip(frames)
  return (gsub(gsub(frames, OUR_XPCALL, "%1"), OURS, ""))
end

-- coroutine.wrap puts the place of its caller before an error that has its own, and so does error() of a caught one.
local function inmost(reason, own)
  local place = own .. "/[^\n:]*:%d+: "
  local inner = match(reason, "^" .. place .. "(" .. place .. ".*)$")
  return inner and inmost(inner, own) or reason
end

--- Puts the user's own line before an error that was raised elsewhere: in a library, or by assert.
-- Of several, the one where it was raised stays.
-- @tparam string reason
-- @tparam string frames the traceback
-- @tparam string own directory of the user's code, as chunks below it are named
function trace.locate(reason, frames, own)
  local escaped = gsub(own, "%p", "%%%0")
  local pattern = "\n\t(" .. escaped .. "/[^\n]-:%d+): in "
  local place = match(frames, pattern)
  -- error(text, 0): without a place on purpose.
  if not place or find(reason, own .. "/", 1, true) == 1 or is_stop(reason) or
    find(frames, "^" .. MARK .. "\t%[C%]: in function 'error'" .. pattern) then
    return inmost(reason, escaped)
  end
  return place .. ": " .. reason
end

return trace
