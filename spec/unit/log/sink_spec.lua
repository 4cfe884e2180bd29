local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"

cdef "_Bool sink_same_fault(const char *a, const char *b);"

describe("log/sink", function()
  for a, b in pairs {
    ["Disk full"] = "Disk full",
    [""] = "",
    ["Timeout after 30001 milliseconds with 0 bytes"] = "Timeout after 8 milliseconds with 1234 bytes",
    ["port 25 after 0 ms: Could not connect"] = "port 7 after 12 ms: Could not connect",
    ["7"] = "12345",
    ["RCPT failed: 550"] = "RCPT failed: 550",
    ["RCPT failed: 550 after 3 ms"] = "RCPT failed: 550 after 41 ms",
  } do
    it("takes for one fault: " .. a, function()
      assert.is_true(lib.sink_same_fault(a, b))
      assert.is_true(lib.sink_same_fault(b, a))
    end)
  end

  for a, b in pairs {
    ["Disk full"] = "Disk",
    [""] = "x",
    ["after 3 ms"] = "after 3 s",
    ["RCPT failed: 451"] = "RCPT failed: 550",
    ["RCPT failed: 550"] = "RCPT failed: 554",
    ["RCPT failed: 55"] = "RCPT failed: 550",
    ["RCPT failed: "] = "RCPT failed: 4",
  } do
    it("tells apart " .. a .. " and " .. b, function()
      assert.is_false(lib.sink_same_fault(a, b))
      assert.is_false(lib.sink_same_fault(b, a))
    end)
  end
end)
