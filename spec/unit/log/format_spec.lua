local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local cjson = require "cjson"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct log_field { const char *key; int kind; const char *text; size_t size; uint64_t number; bool of_job, more; };
  struct format_record {
    uint64_t time_ms; unsigned level; const char *channel; const char *message; size_t size;
    const struct log_field *fields;
  };
  void format_line(struct buffer *out, const struct format_record *record, bool coloured, const char *origin);
  void format_json(struct buffer *out, const struct format_record *record, const char *origin);
  size_t utf8_length(const char *bytes, size_t size);
]]

local TEXT, LITERAL, NUMBER, SECONDS, ID = 0, 1, 2, 3, 4
local INFO = 1
local TIME, HEAD = 1795491777123, "2026-11-24T03:42:57.123Z info test: "

-- { key, value, kind, of_job, more } each; the value of TEXT and LITERAL is a string.
local function format(message, list, options)
  options = options or {}
  local fields, kept = ffi.new("struct log_field[?]", #(list or {}) + 1), {}
  for i, item in ipairs(list or {}) do
    local key, value, kind, of_job, more = unpack(item)
    local field = fields[i - 1]
    field.more = more or false
    kept[#kept + 1], field.key, field.kind, field.of_job = key, key, kind or TEXT, of_job or false
    if field.kind == TEXT or field.kind == LITERAL then
      local bytes = buffers.new(value)
      kept[#kept + 1], field.text, field.size = bytes, bytes.memory, #value
    else
      field.number = value
    end
  end
  local out, bytes = buffers.new(), buffers.new(message)
  local record = ffi.new("struct format_record", options.time or TIME, options.level or INFO, options.channel or "test",
    message == "" and "" or bytes.memory, #message, fields)
  if options.json then
    lib.format_json(out, record, options.origin or "")
  else
    lib.format_line(out, record, options.coloured or false, options.origin or "")
  end
  assert(#kept >= 0) -- what the fields point to is alive until here
  return buffers.bytes(out)
end

-- What stands behind time, level and channel.
local function line(...)
  local text = format(...)
  assert.equal(HEAD, text:sub(1, #HEAD))
  assert.equal("\n", text:sub(-1))
  return text:sub(#HEAD + 1, -2)
end

local function assert_one_clean_line(text)
  assert.equal(#text, text:find("\n", 1, true))
  assert.is_nil(text:sub(1, -2):find "[%z\1-\31\127]")
  for _, separator in ipairs { "\194\133", "\226\128\168", "\226\128\169" } do
    assert.is_nil(text:find(separator, 1, true))
  end
  local bytes, at = ffi.cast("const char *", text), 0
  while at < #text do
    local length = tonumber(lib.utf8_length(bytes + at, #text - at))
    assert.is_true(length > 0)
    at = at + length
  end
end

describe("log/format", function()
  -- https://www.php-fig.org/psr/psr-3/, 1.2
  it("takes PSR-3's own example", function()
    assert.equal("User bolivar created", line("User {username} created", { { "username", "bolivar" } }))
  end)

  it("takes no placeholder that PSR-3 does not allow, and leaves it as it is", function()
    assert.equal("{user name} {user\\nname} a=1", line("{user name} {user\nname}", { { "a", "1" } }))
    assert.equal("x y", line("{a.b_C9} {_}", { { "a.b_C9", "x" }, { "_", "y" } }))
  end)

  it("has nothing that printf would read", function()
    assert.equal("100% %s %n 7", line("100% %s %n {x}", { { "x", 7, NUMBER } }))
  end)

  it("ends with what is the same for all, which brings more of the job with it", function()
    local fields = { { "a", "1" }, { "job", "mail", TEXT, true, true } }
    assert.equal("m a=1", line("m", fields))
    assert.equal("m a=1 job=mail workerId=w1", line("m", fields, { origin = " workerId=w1" }))
  end)

  it("begins with UTC in milliseconds, level and channel", function()
    assert.equal("1970-01-01T00:00:00.000Z debug a.b: \n", format("", {}, { time = 0, level = 0, channel = "a.b" }))
    assert.equal("2024-02-29T23:59:59.007Z emergency worker: down\n",
      format("down", {}, { time = 1709251199007, level = 7, channel = "worker" }))
    assert.matches("^10000%-01%-01T", format("", {}, { time = 253402300800000 }))
    assert_one_clean_line(format("", {}, { time = 0xffffffffffffffffULL, level = 99 }))
    assert_one_clean_line(format("", {}, { channel = "a\nb\27\255" }))
  end)

  describe("puts the values of fields into the message:", function()
    for message, expected in pairs {
      ["{to}"] = "ann id=7",
      ["mailing {to}, {to}: {id}"] = "mailing ann, ann: 7",
      ["{id}{to}"] = "7ann",
      ["no {such} thing"] = "no {such} thing to=ann id=7",
      ["{to"] = "{to to=ann id=7",
      ["to}"] = "to} to=ann id=7",
      ["{}"] = "{} to=ann id=7",
      ["{ to }"] = "{ to } to=ann id=7",
      ["{TO}"] = "{TO} to=ann id=7",
      ["{{to}}"] = "{ann} id=7",
      ["{a{to}b}"] = "{aannb} id=7",
      ["}{to}{"] = "}ann{ id=7",
      ["{to\0}"] = "{to\\u0000} to=ann id=7",
      [""] = " to=ann id=7",
    } do
      it(("%q"):format(message), function()
        assert.equal(expected, line(message, { { "to", "ann" }, { "id", 7, NUMBER } }))
      end)
    end

    it("values as they are, never read again for placeholders", function()
      assert.equal('{b} says "x y" b=2', line('{a} says "x y"', { { "a", "{b}" }, { "b", "2" } }))
      assert.equal("a b=c", line("{x}", { { "x", "a b=c" } }))
    end)

    it("the first of two fields of one name", function()
      assert.equal("1 a=2", line("{a}", { { "a", "1" }, { "a", "2" } }))
    end)
  end)

  it("shows numbers, seconds and literals", function()
    assert.equal("m a=18446744073709551615 b=1.500000 c=-1.5e3 d=true", line("m", {
      { "a", 0xffffffffffffffffULL, NUMBER }, { "b", 1500000000, SECONDS }, { "c", "-1.5e3", LITERAL },
      { "d", "true", LITERAL },
    }))
    assert.equal("0.000001", line("{a}", { { "a", 1499, SECONDS } }))
  end)

  describe("shows a value behind its key", function()
    for value, shown in pairs {
      ["plain"] = "plain",
      ["é漢"] = "é漢",
      ["{x}"] = "{x}",
      [""] = '""',
      ["two words"] = '"two words"',
      ["a=b"] = '"a=b"',
      ['say "hi"'] = [["say \"hi\""]],
      ['"'] = [["\""]],
      ["a\\"] = [["a\\"]],
      ['\\"'] = [["\\\""]],
      ["C:\\new"] = [["C:\\new"]],
      ["a\nb\tc\r"] = [["a\nb\tc\r"]],
      ["\27[31m\0\127"] = [["\u001b[31m\u0000\u007f"]],
      ["\194\133"] = [[\u0085]],
      ["\226\128\168\226\128\169"] = [[\u2028\u2029]],
      ["\255\195"] = [[\xff\xc3]],
    } do
      it(shown, function()
        assert.equal("m k=" .. shown, line("m", { { "k", value } }))
      end)
    end
  end)

  it("quotes keys and odd literals like values", function()
    assert.equal([[m "a b"=1 "c=d"=1 "\n"=1 ""=1 l="1 x=2"]],
      line("m", { { "a b", "1" }, { "c=d", "1" }, { "\n", "1" }, { "", "1" }, { "l", "1 x=2", LITERAL } }))
  end)

  it("escapes the message, not its quotes and backslashes", function()
    assert.equal([[a\nb\u0085\xff \ "q"]], line "a\nb\194\133\255 \\ \"q\"")
  end)

  it("takes more fields than it can remember as used", function()
    local fields, shown = {}, {}
    for i = 1, 100 do
      fields[i] = { "k" .. i, tostring(i) }
      shown[i] = i ~= 64 and " k" .. i .. "=" .. i or nil
    end
    local expected = {}
    for i = 1, 100 do
      expected[#expected + 1] = shown[i]
    end
    assert.equal("64 65 k65" .. table.concat(expected), line("{k64} {k65} k65", fields))
  end)

  describe("cuts", function()
    local LONGEST, LINE = 32 * 1024, 256 * 1024
    local x = ("x"):rep(LONGEST)

    it("a value and a message after 32 KB, and says how much is missing", function()
      assert.equal("m k=" .. x, line("m", { { "k", x } }))
      assert.equal("m k=" .. x .. "… (1 bytes more)", line("m", { { "k", x .. "x" } }))
      assert.equal('m k="' .. (" "):rep(LONGEST) .. '… (9 bytes more)"', line("m", { { "k", (" "):rep(LONGEST + 9) } }))
      assert.equal(x .. "… (7 bytes more) k=1", line(x .. "1234567", { { "k", "1" } }))
      assert.equal(x:sub(4) .. "{k}", line(x:sub(4) .. "{k}"))
    end)

    it("never through a character", function()
      assert.equal("xx" .. ("漢"):rep(10922) .. "… (3 bytes more)", line("xx" .. ("漢"):rep(10923)))
      local text = "x" .. ("漢"):rep(10922)
      assert.equal(text .. "… (4 bytes more) k=1", line(text .. "漢x", { { "k", "1" } }))
    end)

    it("a quoted value as a whole, whatever it holds", function()
      local quotes = ('"'):rep(LONGEST + 1)
      assert.equal('m k="' .. ('\\"'):rep(LONGEST) .. '… (1 bytes more)"', line("m", { { "k", quotes } }))
    end)

    it("what a message repeats, and what too many fields hold", function()
      local text = line(("{k}"):rep(10000), { { "k", x } })
      assert.is_true(#text < LINE + LONGEST + 30100)
      assert.matches("xxx{k}{k}{k}", text)
      local fields = {}
      for i = 1, 66 do
        fields[i] = { "k" .. i, ("\1"):rep(LONGEST) }
      end
      text = line("m", fields)
      assert.is_true(#text < LINE + 7 * LONGEST)
      assert.matches(" …$", text)
    end)

    it("a message of braces in linear time", function()
      for _, brace in ipairs { "{", "}", "{a", "{}" } do
        assert.matches("more%)$", line(brace:rep(1000000)))
      end
    end)
  end)

  it("makes one clean line of anything", function()
    local pieces = { "\n", "\r", "\0", "\t", "\27[", "\127", "\128", "\194", "\194\133", "\226\128", "\226\128\168",
      "\226\128\169", "\239\191\190", "\240\159\152\128", "\255", "é", "{", "}", "{k1}", "{k2}", '"', "\\", "=",
      " ", "x" }
    local seed = 3
    local function random(limit)
      seed = (seed * 16807) % 2147483647
      return seed % limit + 1
    end
    local function text()
      local parts = {}
      for i = 1, random(12) do
        parts[i] = random(3) == 1 and string.char(random(256) - 1) or pieces[random(#pieces)]
      end
      return table.concat(parts)
    end
    for _ = 1, 3000 do
      assert_one_clean_line(format(text(), {
        { "k1", text() }, { "k2", text() }, { (text():gsub("%z", "")), text(), LITERAL },
        { "k3", random(1000), NUMBER },
      }, { channel = (text():gsub("%z", "")) }))
    end
  end)
end)

-- The record as JSON, parsed.
local function json(message, list, options)
  options = options or {}
  options.json = true
  local text = format(message, list, options)
  assert.equal(#text, text:find("\n", 1, true))
  return cjson.decode(text), text
end

describe("log/format as JSON", function()
  it("has the names and numbers of Monolog", function()
    local _, text = json("mailing {to}", {
      { "to", "ann" }, { "id", 7, ID, true }, { "tube", "email", TEXT, true }, { "took", 1500000000, SECONDS },
      { "ok", "true", LITERAL }, { "count", 3, NUMBER },
    }, { level = 4, channel = "send_email", origin = '"workerId":"w1"' })
    assert.equal('{"message":"mailing ann","context":{"to":"ann","took":1.500000,"ok":true,"count":3},"level":400,'
      .. '"level_name":"ERROR","channel":"send_email","datetime":"2026-11-24T03:42:57.123000+00:00",'
      .. '"extra":{"workerId":"w1","id":"7","tube":"email"}}\n', text)
    local numbers = {}
    for level = 0, 7 do
      numbers[level + 1] = json("", {}, { level = level }).level
    end
    assert.same({ 100, 200, 250, 300, 400, 500, 550, 600 }, numbers)
  end)

  it("keeps whole numbers of ids, and what is no literal is a string", function()
    local record = json("m", {
      { "id", 0xffffffffffffffffULL, ID, true }, { "a", "1 2", LITERAL }, { "b", "-1.5e3", LITERAL },
      { "c", "null", LITERAL }, { "d", "{}}", LITERAL }, { "e", "", LITERAL },
    })
    assert.equal("18446744073709551615", record.extra.id)
    assert.same({ a = "1 2", b = -1500, c = cjson.null, d = "{}}", e = "" }, record.context)
  end)

  it("holds tables as they are, and no line of a lying one", function()
    local record, text = json("m", {
      { "a", '{"b":[1,0.30000000000000004,{"c":null}]}', LITERAL }, { "d", '{\n}', LITERAL },
      { "e", '["\226\128\168"]', LITERAL },
      { "f", ("["):rep(21) .. ("]"):rep(21), LITERAL }, { "g", '{"a":1,"a":2}', LITERAL },
    })
    assert.same({ b = { 1, 0.1 + 0.2, { c = cjson.null } } }, record.context.a)
    assert.same({ "{\n}", "\226\128\168" }, { record.context.d, record.context.e[1] })
    assert.same({ "string", "string" }, { type(record.context.f), type(record.context.g) })
    assert.truthy(text:find([=["e":["\u2028"]]=], 1, true))
  end)

  describe("shows as PSR-3's exception", function()
    local trace = "\nstack traceback:\n\t[C]: in function 'error'\n\tjobs/a.lua:7: in function <jobs/a.lua:3>"
    local lines = { "[C]: in function 'error'", "jobs/a.lua:7: in function <jobs/a.lua:3>" }
    for name, case in pairs {
      ["an error with its traceback"] = { "jobs/a.lua:7: no ink" .. trace, { class = "Lua error", message = "no ink",
        code = 0, file = "jobs/a.lua:7", trace = lines } },
      ["one that is no text"] = { '{"code":7}' .. trace, { class = "Lua error", message = '{"code":7}', code = 0,
        trace = lines } },
      ["one without a traceback"] = { "jobs/a.lua:7: time 12:30: no", { class = "Lua error", message = "time 12:30: no",
        code = 0, file = "jobs/a.lua:7", trace = {} } },
      ["one of several lines"] = { "jobs/a.lua:7: one\ntwo", { class = "Lua error", message = "one\ntwo", code = 0,
        file = "jobs/a.lua:7", trace = {} } },
      ["an empty traceback"] = { "x\nstack traceback:", { class = "Lua error", message = "x", code = 0, trace = {} } },
    } do
      it(name, function()
        assert.same({ exception = case[2] }, json("m", { { "exception", case[1] } }).context)
      end)
    end

    for _, text in ipairs { "", "no error", ":7: x", "a:: x", "7: x", "a:7:x", "half past 12: x" } do
      it(("%q as text, since it is none"):format(text), function()
        assert.equal(text, json("m", { { "exception", text } }).context.exception)
      end)
    end

    it("no number, whatever its key", function()
      assert.equal(7, json("m", { { "exception", "7", LITERAL } }).context.exception)
    end)
  end)

  it("has newlines, control characters and quotes as they were, and U+FFFD for what is no UTF-8", function()
    local record = json('say "{k}"\n\27\0\\', { { "k", "a\nb\226\128\168" } })
    assert.same({ 'say "a\nb\226\128\168"\n\27\0\\', "a\nb\226\128\168" }, { record.message, record.context.k })
    assert.equal("\239\191\189x", json("\255x").message)
  end)

  it("is bounded", function()
    local x = ("x"):rep(32 * 1024)
    local record = json(x .. "y", { { "k", x .. "z" } })
    assert.same({ x .. "… (1 bytes more)", x .. "… (1 bytes more)" }, { record.message, record.context.k })
    local fields = {}
    for i = 1, 66 do
      fields[i] = { "k" .. i, ("\1"):rep(32 * 1024) }
    end
    local text
    record, text = json("m", fields)
    assert.is_true(#text < (256 + 7 * 32) * 1024)
    assert.equal("…", record.context["…"])
  end)
end)

describe("log/format in colours", function()
  it("colours the level alone", function()
    assert.equal("2026-11-24T03:42:57.123Z \27[31merror\27[0m test: m k=1\n",
      format("m", { { "k", "1" } }, { level = 4, coloured = true }))
  end)
end)
