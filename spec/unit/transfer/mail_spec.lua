local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local lib = require "spec.support.ffi"
local mime = require "mime"

cdef [[
  void mail_subject(struct buffer *out, const char *text, size_t size);
  size_t utf8_length(const char *bytes, size_t size);
]]

-- The header's text, without its name and the line end that are always there.
local function subject(text)
  local out, exact = buffers.new(), buffers.new(text)
  lib.mail_subject(out, exact.memory, #text)
  local header = buffers.bytes(out)
  assert.matches("^Subject: .*\r\n$", header)
  return header:sub(10, -3)
end

local function is_utf8(text)
  while #text > 0 do
    local size = tonumber(lib.utf8_length(text, #text))
    if size == 0 then
      return false
    end
    text = text:sub(size + 1)
  end
  return true
end

-- What encoded words say, which have to be as RFC 2047 wants them; and the list of what each holds.
local function decode(header)
  local parts = {}
  local rest = ("Subject: " .. header .. "\r\n"):gsub("([^\r\n]*)\r\n", function(line)
    local word = line:match "^Subject: (%S+)$" or line:match "^ (%S+)$"
    assert(word, "no line of one word: " .. line)
    local base64 = word:match "^=%?UTF%-8%?B%?([%w+/]+=?=?)%?=$"
    assert.is_true(base64 and #base64 % 4 == 0 and #word <= 75 and #line <= 76, line)
    table.insert(parts, (mime.unb64(base64)))
    return ""
  end)
  assert.equal("", rest)
  return table.concat(parts), parts
end

describe("transfer/mail: a subject", function()
  for _, text in ipairs { "Hello", "[web1] worker1: job failed: a = b? c; 100 %", "  two  ", "?=", ("x"):rep(900) } do
    it(("of ASCII stands as it is: %.40s"):format(text), function()
      assert.equal(text, subject(text))
    end)
  end

  it("of nothing is empty", function()
    assert.equal("", subject "")
  end)

  it("has spaces for control characters, so that it makes no further header", function()
    assert.equal("a  Bcc: e@x.org    b", subject "a\r\nBcc: e@x.org\r\n\r\nb")
    for i = 0, 31 do
      assert.equal("a b", subject("a" .. string.char(i) .. "b"))
    end
    assert.equal("a b", subject "a\127b")
    assert.equal("ä  Bcc: e@x.org", (decode(subject "ä\r\nBcc: e@x.org")))
    assert.equal("ä b c", (decode(subject "ä\0b\127c")))
  end)

  for _, text in ipairs { "ä", "Grüße", "漢字", "😀", ("Grüße — "):rep(40), ("😀"):rep(200), "=?UTF-8?Q?x?=", "a =? b" } do
    it(("stands in encoded words: %.30s"):format(text:sub(1, 12)), function()
      assert.equal(text, (decode(subject(text))))
    end)
  end

  it("that is longer than a line can be is folded", function()
    for _, size in ipairs { 901, 998, 2000, 10000 } do
      assert.equal(("x"):rep(size), (decode(subject(("x"):rep(size)))))
    end
  end)

  it("has whole characters in each word, wherever they stand", function()
    for shift = 0, 38 do
      for _, character in ipairs { "ä", "漢", "😀" } do
        local text = ("a"):rep(shift) .. character:rep(60)
        local all, parts = decode(subject(text))
        assert.equal(text, all)
        for _, part in ipairs(parts) do
          assert.is_true(is_utf8(part), part)
        end
      end
    end
  end)

  it("of what is no UTF-8 has its bytes, in ASCII", function()
    local every = {}
    for i = 128, 255 do
      every[#every + 1] = string.char(i)
    end
    for _, text in ipairs {
      "\255", "a\200", ("\128"):rep(38), ("\128"):rep(39), ("\128"):rep(200), ("a\240\159"):rep(30),
      table.concat(every),
    } do
      assert.equal(text, (decode(subject(text))))
    end
  end)
end)
