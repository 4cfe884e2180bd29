local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct window { unsigned grown; uint64_t runtimes_ns[16]; unsigned next; };
  void window_reset(struct window *window);
  void window_grow(struct window *window);
  void window_ran(struct window *window, uint64_t runtime_ns);
  unsigned window_size(const struct window *window);
]]

local MS = 1e6

describe("queue/window", function()
  local window

  local function grow(times)
    for _ = 1, times do
      lib.window_grow(window)
    end
  end

  local function ran(milliseconds, times)
    for _ = 1, times or 1 do
      lib.window_ran(window, milliseconds * MS)
    end
  end

  before_each(function()
    window = ffi.new "struct window"
    lib.window_reset(window)
  end)

  it("starts at one and doubles with each turn, up to 128", function()
    for _, size in ipairs { 1, 2, 4, 8, 16, 32, 64, 128, 128, 128 } do
      assert.equal(size, lib.window_size(window))
      lib.window_grow(window)
    end
    grow(100)
    assert.equal(128, lib.window_size(window))
  end)

  for _, case in ipairs { { 0, 128 }, { 0.0001, 128 }, { 0.39, 128 }, { 0.5, 100 }, { 1, 50 }, { 10, 5 },
    { 26, 1 }, { 50, 1 }, { 51, 1 }, { 3600000, 1 } } do
    it(("holds %d jobs of %g ms: 50 ms of work, one at least"):format(case[2], case[1]), function()
      grow(10)
      ran(case[1])
      assert.equal(case[2], lib.window_size(window))
    end)
  end

  it("bears the longest time there is", function()
    grow(10)
    lib.window_ran(window, 0xffffffffffffffffULL)
    assert.equal(1, lib.window_size(window))
  end)

  it("follows the slowest of the last 16 jobs, and forgets it with the 17th", function()
    grow(10)
    ran(10)
    ran(1, 15)
    assert.equal(5, lib.window_size(window))
    ran(1)
    assert.equal(50, lib.window_size(window))
  end)

  it("starts from one after an idle, with what it knows of the jobs", function()
    grow(10)
    ran(10, 16)
    lib.window_reset(window)
    assert.equal(1, lib.window_size(window))
    grow(10)
    assert.equal(5, lib.window_size(window))
  end)

  it("is never less than one or more than 128, nor more work than 50 ms but for one job", function()
    local seed = 11
    local function random(limit)
      seed = (seed * 16807) % 2147483647
      return seed % limit
    end
    local recent = {}
    for _ = 1, 20000 do
      local what = random(8)
      if what == 0 then
        lib.window_reset(window)
      elseif what < 4 then
        grow(1)
      else
        local milliseconds = random(2) == 0 and random(100) or random(100) / 100
        ran(milliseconds)
        table.insert(recent, milliseconds)
      end
      local slowest = 0
      for i = math.max(1, #recent - 15), #recent do
        slowest = math.max(slowest, recent[i])
      end
      local size = lib.window_size(window)
      assert.is_true(size >= 1 and size <= 128)
      assert.is_true(size == 1 or size * slowest <= 50.0001)
    end
  end)
end)
