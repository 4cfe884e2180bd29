--- Waiting for something to happen, always with a deadline. All times are seconds.
local poll = require "posix.poll"
local time = require "posix.time"

local wait = {}

--- Monotonic time.
function wait.now()
  local now = time.clock_gettime(time.CLOCK_MONOTONIC)
  return now.tv_sec + now.tv_nsec / 1e9
end

--- Lets time pass: only for what is about time itself (dripping bytes) and between two looks.
function wait.pause(seconds)
  poll.poll({}, math.ceil(seconds * 1000))
end

--- Calls `check` until it returns something true, which is returned with what follows it; an error that names `what`
--- (a text, or a function that makes it) after `seconds`.
function wait.eventually(seconds, check, what)
  local deadline, gap = wait.now() + seconds, 0.001
  while true do
    local results = { check() }
    if results[1] then
      return unpack(results, 1, table.maxn(results))
    end
    if wait.now() >= deadline then
      error(("not within %g s: %s"):format(seconds, type(what) == "function" and what() or what), 2)
    end
    wait.pause(gap)
    gap = math.min(gap * 2, 0.016)
  end
end

return wait
