local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"

cdef [[
  void text_duration(struct buffer *out, uint64_t seconds);
  void text_moment(struct buffer *out, double unix_s);
]]

describe("text_duration", function()
  it("tells the two largest units", function()
    for seconds, text in pairs {
      [0] = "0 s", [59] = "59 s", [60] = "1 min", [125] = "2 min 5 s", [3600] = "1 h", [3601] = "1 h",
      [7260] = "2 h 1 min", [273600] = "3 d 4 h", [86400] = "1 d", [86399] = "23 h 59 min",
    } do
      local out = buffers.new ""
      lib.text_duration(out, seconds)
      assert.equal(text, buffers.bytes(out))
    end
  end)
end)

describe("text_moment", function()
  local function moment(unix_s)
    local out = buffers.new ""
    lib.text_moment(out, unix_s)
    return buffers.bytes(out)
  end

  it("tells when, and how long ago", function()
    local then_s = os.time() - 7200
    assert.equal(os.date("%Y-%m-%d %H:%M:%S, 2 h ago", then_s), moment(then_s))
    assert.equal(os.date("%Y-%m-%d %H:%M:%S", os.time() + 86400), moment(os.time() + 86400))
  end)

  it("knows what is no moment", function()
    for _, unix_s in ipairs { -1, 1e300, 1 / 0, 0 / 0 } do
      assert.equal("?", moment(unix_s))
    end
  end)
end)
