-- jobs/noop.lua: does nothing, successfully. For benchmarks, and to see whether a queue flows.

return function() end
