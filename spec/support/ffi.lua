--- The runtime as a library: everything but main(), of the build under test ($BUILD). Declare with spec.support.cdef
--- what you call.
local ffi = require "ffi"

return ffi.load((os.getenv "BUILD" or "build") .. "/liblunastalk-spec.so")
