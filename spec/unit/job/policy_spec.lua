local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  enum policy_outcome { POLICY_SUCCEEDED, POLICY_FAILED, POLICY_RELEASED, POLICY_BURIED, POLICY_UNAVAILABLE,
    POLICY_NO_ENVELOPE, POLICY_UNKNOWN_NAME };
  enum policy_verb { POLICY_DELETE, POLICY_BURY, POLICY_RELEASE };
  struct policy_input { enum policy_outcome outcome; uint32_t delay_s; bool bury; };
  struct policy_decision { enum policy_verb verb; uint32_t delay_s; bool failure; };
  struct policy_decision policy_decide(const struct policy_input *input);
  unsigned policy_attempt(uint64_t buries, unsigned retries);
]]

describe("job/policy", function()
  for _, case in ipairs {
    -- outcome, delay it asked for, error.bury → verb, its delay, a failure
    { "SUCCEEDED", 0, true, "DELETE", 0, false },
    { "SUCCEEDED", 9, false, "DELETE", 0, false },
    { "FAILED", 0, true, "BURY", 0, true },
    { "FAILED", 9, false, "DELETE", 0, true },
    { "BURIED", 0, true, "BURY", 0, true },
    { "BURIED", 0, false, "DELETE", 0, true },
    { "UNKNOWN_NAME", 0, true, "BURY", 0, true },
    { "UNKNOWN_NAME", 0, false, "BURY", 0, true },
    { "NO_ENVELOPE", 0, true, "BURY", 0, true },
    { "NO_ENVELOPE", 0, false, "BURY", 0, true },
    { "RELEASED", 60, true, "RELEASE", 60, false },
    { "RELEASED", 60, false, "RELEASE", 60, false },
    { "RELEASED", 0, true, "RELEASE", 1, false },
    { "RELEASED", 0xffffffff, true, "RELEASE", 0xffffffff, false },
    { "UNAVAILABLE", 0, true, "RELEASE", 1, false },
    { "UNAVAILABLE", 30, false, "RELEASE", 30, false },
  } do
    local outcome, asked, bury, verb, delay, failure = unpack(case)
    it(("%s, delay %d, bury %s → %s %d"):format(outcome, asked, tostring(bury), verb, delay), function()
      local input = ffi.new("struct policy_input", "POLICY_" .. outcome, asked, bury)
      local decision = lib.policy_decide(input)
      assert.equal(ffi.new("enum policy_verb", "POLICY_" .. verb), decision.verb)
      assert.equal(delay, decision.delay_s)
      assert.equal(failure, decision.failure)
    end)
  end

  it("counts attempts by buries, in rounds of retries + 1", function()
    for retries, attempts in pairs {
      [0] = { 1, 1, 1, 1 },
      [1] = { 1, 2, 1, 2 },
      [2] = { 1, 2, 3, 1, 2, 3, 1 },
      [1000] = { 1, 2, 3 },
    } do
      for buries, attempt in ipairs(attempts) do
        assert.equal(attempt, lib.policy_attempt(buries - 1, retries))
      end
    end
    assert.equal(1001, lib.policy_attempt(1000, 1000))
    assert.equal(1, lib.policy_attempt(1001, 1000))
    assert.equal(1, lib.policy_attempt(0xffffffffffffffffULL, 0))
    assert.equal(8, lib.policy_attempt(7, 0xffffffff))
  end)
end)
