local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"

cdef [[
  size_t utf8_length(const char *bytes, size_t size);
  size_t utf8_cut(const char *bytes, size_t size, size_t most);
]]

local function length(bytes)
  return tonumber(lib.utf8_length(bytes, #bytes))
end

describe("base/utf8", function()
  it("accepts the borders of every row of table 3-7", function()
    for size, characters in ipairs {
      { "\0", "a", "\x7f" },
      { "\xc2\x80", "\xdf\xbf" },
      { "\xe0\xa0\x80", "\xe0\xbf\xbf", "\xe1\x80\x80", "\xec\xbf\xbf", "\xed\x80\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf" },
      { "\xf0\x90\x80\x80", "\xf0\xbf\xbf\xbf", "\xf1\x80\x80\x80", "\xf3\xbf\xbf\xbf", "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf" },
    } do
      for _, character in ipairs(characters) do
        assert.equal(size, length(character))
        assert.equal(size, length(character .. "\xff"))
        if size > 1 then
          for cut = 0, size - 1 do
            assert.equal(0, length(character:sub(1, cut)))
          end
        end
      end
    end
  end)

  it("refuses what stands outside of them", function()
    for _, bytes in ipairs {
      "", "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf", "\xe1\x80\x7f",
      "\xe1\xc0\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff\xff\xff\xff",
    } do
      assert.equal(0, length(bytes))
    end
  end)

  it("takes exactly the two-byte sequences of the standard", function()
    for first = 0x80, 0xff do
      for second = 0, 0xff do
        local good = first >= 0xc2 and first <= 0xdf and second >= 0x80 and second <= 0xbf
        assert.equal(good and 2 or 0, length(string.char(first, second)))
      end
    end
  end)

  it("cuts texts between characters, what is no UTF-8 anywhere", function()
    for text, cuts in pairs {
      ["abc"] = { [0] = 0, 1, 2, 3, 3 },
      ["aé漢😀b"] = { [0] = 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 },
      ["\xc3\xa9"] = { [0] = 0, 0, 2 },
      ["\x80\x80\x80\x80\x80\x80"] = { [0] = 0, 1, 2, 3, 4, 5, 6 },
    } do
      for most = 0, #cuts do
        assert.equal(cuts[most], tonumber(lib.utf8_cut(text, #text, most)))
      end
    end
    assert.equal(0, tonumber(lib.utf8_cut(nil, 0, 0)))
  end)
end)
