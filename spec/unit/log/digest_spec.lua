local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local cjson = require "cjson"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"
local sinks = require "spec.support.sink"

header "log/digest.h"
cdef "int level_parse(const char *name);"

local T = 1795491777123 -- 2026-11-24T03:42:57.123Z
local MOST = 2000

describe("log/digest", function()
  local digest

  local function new()
    return ffi.gc(ffi.new "struct digest", lib.digest_clear)
  end

  -- A record; filled: its message with the values.
  local function add(to, level, message, filled, time)
    local line = ("%s test: %s\n"):format(level, filled or message)
    local record = sinks.record(line, message, lib.level_parse(level))
    local shown = filled or message
    record.filled, record.filled_size, record.time_ms = shown, #shown, time or T
    lib.digest_add(to, record)
  end

  -- All groups, as tables.
  local function groups(of)
    local list = {}
    for i = 0, tonumber(of.count) - 1 do
      local group = of.groups[i]
      list[i + 1] = {
        level = tonumber(group.level), channel = ffi.string(group.channel), message = ffi.string(group.message),
        shown = ffi.string(group.shown), line = ffi.string(group.line), count = tonumber(group.count),
        first = tonumber(group.first_ms), last = tonumber(group.last_ms), workers = group.workers,
      }
    end
    return list
  end

  local function records(of)
    return tonumber(lib.digest_records(of))
  end

  local function others(of)
    return tonumber(of.others)
  end

  local function text(call, ...)
    local out = buffers.new()
    call(out, ...)
    return buffers.bytes(out)
  end

  local function import(to, json)
    local exact = buffers.new(json)
    lib.digest_import(to, exact.memory, #json)
  end

  before_each(function()
    digest = new()
  end)

  describe("of records", function()
    it("has a group per level, channel and message, with the first of each", function()
      add(digest, "critical", "disk {d} is full", "disk a is full", T)
      add(digest, "alert", "disk {d} is full", "disk a is full", T + 1)
      add(digest, "critical", "disk {d} is full", "disk b is full", T + 2)
      add(digest, "critical", "other", nil, T + 3)
      local record = sinks.record("critical mails: other\n", "other", 5)
      record.channel = "mails"
      lib.digest_add(digest, record)
      local expected = { channel = "test", message = "disk {d} is full", shown = "disk a is full", workers = 1 }
      local list = groups(digest)
      assert.same({ 4, 5, 0 }, { #list, records(digest), others(digest) })
      expected.level, expected.line, expected.count, expected.first, expected.last =
        5, "critical test: disk a is full", 2, T, T + 2
      assert.same(expected, list[1])
      expected.level, expected.line, expected.count, expected.first, expected.last =
        6, "alert test: disk a is full", 1, T + 1, T + 1
      assert.same(expected, list[2])
      assert.same({ "other", "test", "other", "mails" },
        { list[3].message, list[3].channel, list[4].message, list[4].channel })
    end)

    it("has 50 groups, and counts what is of others", function()
      for i = 1, 60 do
        add(digest, "error", "kind " .. i)
      end
      add(digest, "error", "kind 50")
      add(digest, "error", "kind 51")
      local list = groups(digest)
      assert.same({ 50, 11, 62 }, { #list, others(digest), records(digest) })
      assert.same({ "kind 50", 2 }, { list[50].message, list[50].count })
    end)

    it("cuts texts at whole characters, and has one group for what differs behind that", function()
      local long = ("x"):rep(MOST - 1) .. "ä"
      add(digest, "error", long .. "1", long .. "1")
      add(digest, "error", long .. "2", long .. "2")
      local list = groups(digest)
      assert.same({ 1, 2 }, { #list, list[1].count })
      assert.equal(("x"):rep(MOST - 1), list[1].message)
      assert.equal(("x"):rep(MOST - 1) .. "…", list[1].shown)
      assert.is_true(#list[1].line <= MOST + #"…")
    end)

    it("has a message as far as its first NUL", function()
      add(digest, "error", "a\0b", "a\\0b")
      add(digest, "error", "a", "a")
      assert.same({ 1, "a", "a\\0b" }, { #groups(digest), groups(digest)[1].message, groups(digest)[1].shown })
    end)

    it("is empty once it is cleared", function()
      add(digest, "error", "a")
      digest.others = 3
      lib.digest_clear(digest)
      assert.same({ 0, {} }, { records(digest), groups(digest) })
      lib.digest_clear(digest)
      add(digest, "error", "b")
      assert.equal(1, records(digest))
    end)
  end)

  describe("merged with another", function()
    local function merged(into, from)
      lib.digest_merge(into, from)
      assert.same({ 0, 0 }, { records(from), tonumber(from.count) })
      return groups(into)
    end

    it("adds up what is of one kind, from the first time to the last", function()
      local other = new()
      add(digest, "error", "a {x}", "a 1", T + 5)
      add(digest, "error", "b", nil, T + 6)
      add(other, "error", "c", nil, T)
      add(other, "error", "a {x}", "a 2", T + 1)
      add(other, "error", "a {x}", "a 3", T + 9)
      digest.others, other.others = 2, 3
      local list = merged(digest, other)
      assert.same({ 3, 3, T + 1, T + 9, "a 1" },
        { #list, list[1].count, list[1].first, list[1].last, list[1].shown })
      assert.same({ "b", "c" }, { list[2].message, list[3].message })
      assert.same({ 5, 10 }, { others(digest), records(digest) })
    end)

    it("takes all of it when it was empty, and nothing from an empty one", function()
      local other = new()
      add(other, "error", "a")
      assert.equal("a", merged(digest, other)[1].message)
      assert.equal(1, #merged(digest, other))
    end)

    it("counts what it has no room for", function()
      local other = new()
      for i = 1, 49 do
        add(digest, "error", "kind " .. i)
      end
      for i = 49, 52 do
        add(other, "error", "kind " .. i)
        add(other, "error", "kind " .. i)
      end
      local list = merged(digest, other)
      assert.same({ 50, 3, "kind 50" }, { #list, list[49].count, list[50].message })
      assert.same({ 4, 57 }, { others(digest), records(digest) })
    end)
  end)

  describe("as JSON", function()
    local function exported(of)
      return text(lib.digest_export, of, "web1_worker1")
    end

    -- What was exported, each element by itself.
    local function imported(json)
      local other = new()
      for _, element in ipairs(cjson.decode(json)) do
        import(other, cjson.encode(element))
      end
      return other
    end

    it("names the worker with each group, and how many had it", function()
      add(digest, "critical", "to {a}", 'to "ann"')
      digest.others = 4
      assert.same({ {
        level = 5, count = 1, first = T, last = T, channel = "test", message = "to {a}", shown = 'to "ann"',
        line = 'critical test: to "ann"', worker = "web1_worker1", workers = 1,
      }, { others = 4 } }, cjson.decode(exported(digest)))
    end)

    it("is a list when it is empty", function()
      assert.equal("[]", exported(digest))
      digest.others = 1
      assert.equal('[{"others":1}]', exported(digest))
    end)

    it("comes back as it went", function()
      for i = 1, 55 do
        add(digest, i % 2 == 0 and "alert" or "error", "kind {i} ä😀\\ " .. i, 'kind "' .. i, T + i)
      end
      add(digest, "alert", "kind {i} ä😀\\ 2", "again", T + 99)
      local other = imported(exported(digest))
      assert.same({ 56, 5 }, { records(other), others(other) })
      assert.same(groups(digest), groups(other))
    end)

    it("is JSON whatever bytes a record has", function()
      local bytes = {}
      for i = 1, 255 do
        bytes[i] = string.char(i)
      end
      add(digest, "error", table.concat(bytes))
      assert.equal(1, records(imported(exported(digest))))
    end)
  end)

  describe("given JSON from Redis", function()
    local GROUP = {
      level = 5, count = 2, first = T, last = T + 1, channel = "says", message = "m", shown = "s", line = "l",
      workers = 3,
    }

    local function with(changes)
      local changed = {}
      for key, value in pairs(GROUP) do
        changed[key] = value
      end
      for key, value in pairs(changes) do
        changed[key] = value
      end
      return cjson.encode(changed)
    end

    it("takes a group, and a count of others", function()
      import(digest, with {})
      import(digest, with { count = 4, first = T - 1, workers = 2 })
      import(digest, '{"others":7}')
      local expected = with { count = 6, first = T - 1 }
      assert.same({ cjson.decode(expected) }, groups(digest))
      assert.equal(13, records(digest))
    end)

    for what, json in pairs {
      ["nothing"] = "", ["no JSON"] = "{", ["a word"] = "null", ["a list"] = "[" .. with {} .. "]", ["text"] = '"a"',
      ["an empty object"] = "{}", ["two"] = with {} .. with {}, ["NUL"] = "\0", ["bytes"] = "\255\254",
      ["deep nesting"] = ("["):rep(100000), ["a deep member"] = '{"others":1,"a":[[[[[1]]]]]}',
      ["no count"] = with { count = cjson.null }, ["a count of 0"] = with { count = 0 },
      ["a count below 0"] = with { count = -1 }, ["a count of half"] = with { count = 0.5 },
      ["a count that is text"] = with { count = "2" }, ["a huge count"] = with { count = 1e300 },
      ["a count over 2^53"] = with { count = 1e17 }, ["a level that is none"] = with { level = 8 },
      ["no channel"] = with { channel = cjson.null },
      ["a message that is none"] = with { message = 7 }, ["no shown"] = with { shown = cjson.null },
      ["a line that is a list"] = with { line = { "a" } }, ["a key twice"] = with({}):gsub("^{", '{"count":1,'),
      ["others below 0"] = '{"others":-1}', ["others of text"] = '{"others":"9"}', ["huge others"] = '{"others":1e300}',
      ["a list of others"] = '[{"others":1}]', ["no UTF-8"] = with { message = "\255" },
    } do
      it("takes nothing from " .. what, function()
        import(digest, json)
        assert.same({ 0, 0, 0 }, { records(digest), tonumber(digest.count), others(digest) })
      end)
    end

    for what, level in pairs {
      ["without a level"] = cjson.null, ["with a level below 0"] = -1, ["with a level that is text"] = "critical",
      ["with a level beyond 32 bits"] = 2 ^ 32 + 5, ["with a huge level"] = 1e300,
    } do
      it("takes no group " .. what, function()
        import(digest, with { level = level })
        assert.same({}, groups(digest))
      end)
    end

    it("bears it cut at every byte", function()
      local json = with {}
      for size = 0, #json - 1 do
        import(digest, json:sub(1, size))
        assert.equal(0, records(digest))
      end
    end)

    it("has 50 groups however many come", function()
      for i = 1, 200 do
        import(digest, with { message = "kind " .. i })
      end
      assert.same({ 50, 300, 400 }, { #groups(digest), others(digest), records(digest) })
    end)
  end)

  describe("as a mail", function()
    local function subject()
      return text(lib.digest_subject, digest, "web1", "worker1")
    end

    it("has the first of the worst records as its subject, and how many kinds there are beside it", function()
      add(digest, "error", "one {n}", "one 1")
      assert.equal("[web1] worker1: one 1", subject())
      add(digest, "alert", "two")
      add(digest, "alert", "three")
      add(digest, "critical", "four")
      assert.equal("[web1] worker1: two, and 3 more", subject())
    end)

    it("has a subject that is cut at a whole character", function()
      add(digest, "error", ("x"):rep(199) .. "ä")
      assert.equal("[web1] worker1: " .. ("x"):rep(199) .. "…", subject())
    end)

    it("has a subject without groups", function()
      digest.others = 3
      assert.equal("[web1] worker1: ", subject())
      assert.equal("3 more records of other kinds\n\n-- \nlunastalk, web1_worker1\n",
        text(lib.digest_text, digest, "web1_worker1"))
    end)

    it("has each kind with its number, its times, and the first record", function()
      add(digest, "error", "one {n}", "one 1", T)
      add(digest, "error", "one {n}", "one 2", T + 60000)
      add(digest, "alert", "two", nil, T + 5)
      import(digest, cjson.encode {
        level = 5, count = 7, first = T, last = T, channel = "says", message = "m", shown = "s", line = "l",
        workers = 2,
      })
      digest.others = 12
      assert.equal([[
error test: one 1
  2 times, 2026-11-24T03:42:57.123Z to 2026-11-24T03:43:57.123Z
  the first: error test: one 1

alert test: two
  1 time, 2026-11-24T03:42:57.128Z
  alert test: two

critical says: s
  7 times, 2026-11-24T03:42:57.123Z, from 2 workers
  the first: l

12 more records of other kinds
]] .. "\n-- \nlunastalk, web1_worker1\n", text(lib.digest_text, digest, "web1_worker1"))
    end)
  end)
end)
