local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "job/policy.h"

local VERBS = { [0] = "DELETE", "BURY", "RELEASE", "RETRY" }

-- What the policy makes of a job: "VERB delay", a failure?, the number of the attempt.
local function decide(case)
  local input = ffi.new "struct policy_input"
  input.outcome = "POLICY_" .. case.outcome
  input.delay_s = case.asked or 0
  input.bury = case.bury ~= false
  input.retry.max, input.retry.delay_s = case.max or 0, case.delay or 0
  input.buries = case.buries or 0
  input.random = case.random or 0
  input.cancelled = case.cancelled or false
  local decision = lib.policy_decide(input)
  return ("%s %d"):format(VERBS[tonumber(decision.verb)], decision.delay_s), decision.failure, decision.attempt
end

local function delay(seconds, attempt, random)
  return lib.policy_delay_s(ffi.new("struct policy_retry", 1000, seconds), attempt, random)
end

-- The least and the most that the jitter can make of a delay: of every number up to the widest, and of large ones.
local function bounds(seconds, attempt)
  local least, most = math.huge, 0
  for random = 0, 1000 do
    local got = delay(seconds, attempt, random)
    least, most = math.min(least, got), math.max(most, got)
  end
  for i = 0, 31 do
    local got = delay(seconds, attempt, 0xffffffff - 2 ^ i + 1)
    assert.is_true(got >= least and got <= most)
  end
  return { least, most }
end

describe("job/policy", function()
  for _, case in ipairs {
    -- without retries, which is the default
    { outcome = "SUCCEEDED", "DELETE 0", false, 1 },
    { outcome = "SUCCEEDED", bury = false, asked = 9, "DELETE 0", false, 1 },
    { outcome = "FAILED", "BURY 0", true, 1 },
    { outcome = "FAILED", bury = false, asked = 9, "DELETE 0", true, 1 },
    { outcome = "BURIED", "BURY 0", true, 1 },
    { outcome = "BURIED", bury = false, "DELETE 0", true, 1 },
    { outcome = "UNKNOWN_NAME", "BURY 0", true, 1 },
    { outcome = "UNKNOWN_NAME", bury = false, "BURY 0", true, 1 },
    { outcome = "NO_ENVELOPE", "BURY 0", true, 1 },
    { outcome = "NO_ENVELOPE", bury = false, "BURY 0", true, 1 },
    -- released: never a failure, and never at once
    { outcome = "RELEASED", asked = 60, "RELEASE 60", false, 1 },
    { outcome = "RELEASED", asked = 60, bury = false, "RELEASE 60", false, 1 },
    { outcome = "RELEASED", asked = 0, "RELEASE 1", false, 1 },
    { outcome = "RELEASED", asked = 0xffffffff, "RELEASE 4294967295", false, 1 },
    { outcome = "RELEASED", asked = 7, max = 2, delay = 50, buries = 2, "RELEASE 7", false, 3 },
    { outcome = "UNAVAILABLE", asked = 0, "RELEASE 1", false, 1 },
    { outcome = "UNAVAILABLE", asked = 9, random = 6, "RELEASE 9", false, 1 },
    { outcome = "UNAVAILABLE", asked = 30, bury = false, random = 6, "RELEASE 33", false, 1 },
    { outcome = "UNAVAILABLE", asked = 30, max = 2, delay = 50, buries = 2, "RELEASE 27", false, 3 },
    -- attempts left
    { outcome = "FAILED", max = 2, delay = 5, buries = 0, "RETRY 5", true, 1 },
    { outcome = "FAILED", max = 2, delay = 5, buries = 0, bury = false, asked = 99, "RETRY 5", true, 1 },
    { outcome = "FAILED", max = 2, delay = 4, buries = 1, "RETRY 8", true, 2 },
    { outcome = "FAILED", max = 2, delay = 0, buries = 1, "RETRY 1", true, 2 },
    { outcome = "FAILED", max = 1000, delay = 86400, buries = 999, random = 360, "RETRY 3600", true, 1000 },
    -- cancelled: not tried again, and it keeps its number
    { outcome = "FAILED", max = 3, buries = 1, cancelled = true, "BURY 0", true, 2 },
    { outcome = "FAILED", max = 3, cancelled = true, bury = false, "DELETE 0", true, 1 },
    { outcome = "RELEASED", asked = 60, max = 3, cancelled = true, "BURY 0", true, 1 },
    { outcome = "UNAVAILABLE", asked = 30, buries = 1, max = 3, cancelled = true, "BURY 0", true, 2 },
    { outcome = "SUCCEEDED", max = 3, cancelled = true, "DELETE 0", false, 1 },
    -- none left
    { outcome = "FAILED", max = 2, delay = 5, buries = 2, "BURY 0", true, 3 },
    { outcome = "FAILED", max = 2, delay = 5, buries = 2, bury = false, "DELETE 0", true, 3 },
    { outcome = "FAILED", max = 1000, buries = 1000, "BURY 0", true, 1001 },
    -- kicked while buried: after the last attempt, a fresh round
    { outcome = "FAILED", max = 2, delay = 5, buries = 3, "RETRY 5", true, 1 },
    { outcome = "FAILED", max = 0, buries = 7, "BURY 0", true, 1 },
    { outcome = "SUCCEEDED", max = 2, buries = 3, "DELETE 0", false, 1 },
    -- kicked while delayed: no bury, so the round goes on
    { outcome = "FAILED", max = 2, delay = 4, buries = 1, "RETRY 8", true, 2 },
    -- retries do not touch what is final by its nature, nor what succeeded
    { outcome = "SUCCEEDED", max = 2, buries = 1, "DELETE 0", false, 2 },
    { outcome = "BURIED", max = 5, delay = 5, buries = 0, "BURY 0", true, 1 },
    { outcome = "BURIED", max = 5, delay = 5, buries = 0, bury = false, "DELETE 0", true, 1 },
    { outcome = "UNKNOWN_NAME", max = 5, delay = 5, "BURY 0", true, 1 },
    { outcome = "NO_ENVELOPE", max = 5, delay = 5, bury = false, "BURY 0", true, 1 },
    -- buried early by its handler in attempt 1, then kicked: attempt 2 of the round
    { outcome = "FAILED", max = 2, delay = 4, buries = 1, "RETRY 8", true, 2 },
    -- max changed in between: 4 buries were the middle of a round of 6, are the second attempt in one of 3 …
    { outcome = "FAILED", max = 5, delay = 1, buries = 4, random = 1, "RETRY 16", true, 5 },
    { outcome = "FAILED", max = 2, delay = 1, buries = 4, "RETRY 2", true, 2 },
    -- … the last in one of 5, and final in one of 1
    { outcome = "FAILED", max = 4, delay = 1, buries = 4, "BURY 0", true, 5 },
    { outcome = "FAILED", max = 0, delay = 1, buries = 4, "BURY 0", true, 1 },
  } do
    local title = ("%s, error.bury %s, asked %s, retry %s×%s, buried %s times → %s, attempt %d"):format(case.outcome,
      case.bury ~= false, case.asked or 0, case.max or 0, case.delay or 0, case.buries or 0, case[1], case[3])
    it(title, function()
      assert.same({ case[1], case[2], case[3] }, { decide(case) })
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

  it("is final in the last attempt of a round and in no other", function()
    for max = 0, 8 do
      for buries = 0, 40 do
        local verb, _, attempt = decide { outcome = "FAILED", max = max, delay = 5, buries = buries }
        assert.equal(attempt == max + 1, verb == "BURY 0")
        assert.equal(attempt == max + 1, decide { outcome = "FAILED", max = max, buries = buries, bury = false }
          == "DELETE 0")
      end
    end
  end)

  describe("waits", function()
    it("twice as long with each attempt, and a second at least", function()
      for seconds, expected in pairs {
        [0] = { 1, 1, 1, 1 },
        [1] = { 1, 2, 4, 8 },
        [2] = { 2, 4, 8 },
        [3] = { 3, 6 },
        [9] = { 9 },
      } do
        for attempt, most in ipairs(expected) do
          assert.same({ most, most }, bounds(seconds, attempt))
        end
      end
      assert.same({ 1, 1 }, bounds(0, 1001))
    end)

    it("ten per cent more or less from ten seconds up", function()
      for case, expected in pairs {
        [{ 10, 1 }] = { 9, 11 },
        [{ 19, 1 }] = { 18, 20 },
        [{ 5, 2 }] = { 9, 11 },
        [{ 10, 4 }] = { 72, 88 },
        [{ 1, 5 }] = { 15, 17 },
        [{ 100, 1 }] = { 90, 110 },
        [{ 3599, 1 }] = { 3240, 3958 },
      } do
        assert.same(expected, bounds(unpack(case)))
      end
    end)

    it("about an hour at most, whatever the attempt", function()
      for _, case in ipairs { { 3600, 1 }, { 86400, 1 }, { 1800, 2 }, { 10, 10 }, { 1, 1001 }, { 86400, 1001 },
        { 0xffffffff, 1 }, { 0xffffffff, 0xffffffff } } do
        assert.same({ 3240, 3960 }, bounds(unpack(case)))
      end
    end)

    it("all that lies between, about as often", function()
      local seen = {}
      for random = 0, 20 do
        seen[delay(100, 1, random)] = true
      end
      for seconds = 90, 110 do
        assert.is_true(seen[seconds])
      end
    end)
  end)
end)
