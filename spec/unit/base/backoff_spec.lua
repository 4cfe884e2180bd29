local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct backoff { unsigned first_ms, cap_ms, tries, seed; };
  unsigned backoff_next_ms(struct backoff *backoff);
  void backoff_reset(struct backoff *backoff);
]]

local function backoff(first_ms, cap_ms, seed)
  return ffi.new("struct backoff", first_ms, cap_ms, 0, seed)
end

describe("base/backoff", function()
  for _, ladder in ipairs { { 100, 15000 }, { 1, 1 }, { 7, 1000000 }, { 5000, 100 }, { 0, 0 },
    { 0xffffffff, 0xffffffff } } do
    local first, cap = unpack(ladder)
    it(("waits from %d ms doubling to %d, a tenth of the step at least"):format(first, cap), function()
      for seed = 1, 50 do
        local one = backoff(first, cap, seed)
        for try = 0, 70 do
          local step = try < 20 and math.min(cap, first * 2 ^ try) or cap
          local wait = lib.backoff_next_ms(one)
          assert.is_true(wait >= math.floor(step / 10) and wait <= step, wait .. " ms on try " .. try)
        end
      end
    end)
  end

  it("uses the whole range of a step", function()
    local least, most = math.huge, 0
    for seed = 1, 2000 do
      local wait = lib.backoff_next_ms(backoff(1000, 15000, seed * 7919))
      least, most = math.min(least, wait), math.max(most, wait)
    end
    assert.is_true(least < 150 and most > 950)
  end)

  it("starts again from the first step after a reset", function()
    local one = backoff(100, 15000, 3)
    for _ = 1, 30 do
      lib.backoff_next_ms(one)
    end
    lib.backoff_reset(one)
    assert.is_true(lib.backoff_next_ms(one) <= 100)
    assert.is_true(lib.backoff_next_ms(one) <= 200)
  end)

  it("is of another mind in every process: a seed of its own unless one is given", function()
    local function waits()
      local one, list = backoff(1000000, 1000000, 0), {}
      for i = 1, 4 do
        list[i] = lib.backoff_next_ms(one)
      end
      return table.concat(list, " ")
    end
    assert.not_equal(waits(), waits())
  end)
end)
