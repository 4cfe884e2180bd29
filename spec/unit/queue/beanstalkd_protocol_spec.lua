local buffers = require "spec.support.buffer"
local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local lib = require "spec.support.ffi"

cdef [[
  struct beanstalkd_reply { int kind; uint64_t number; const char *body; size_t size; size_t whole; };
  int beanstalkd_next(struct beanstalkd_reply *reply, const char *bytes, size_t size);
  const char *beanstalkd_reply_name(int kind);
  bool beanstalkd_reply_fatal(int kind);
  bool beanstalkd_tube_valid(const char *tube, size_t size);
  void beanstalkd_put(struct buffer *out, uint32_t priority, uint32_t delay, uint32_t ttr, const void *body,
    size_t size);
  void beanstalkd_command_id(struct buffer *out, const char *command, uint64_t id);
  void beanstalkd_release(struct buffer *out, uint64_t id, uint32_t priority, uint32_t delay);
  void beanstalkd_bury(struct buffer *out, uint64_t id, uint32_t priority);
  const char *beanstalkd_stat(const char *yaml, size_t yaml_size, const char *key, size_t *size);
  uint64_t beanstalkd_stat_number(const char *yaml, size_t yaml_size, const char *key, uint64_t otherwise);
  const char *beanstalkd_list_next(const char *yaml, size_t yaml_size, size_t *at, size_t *size);
  void *malloc(size_t size);
  void free(void *memory);
]]

-- Memory of exactly that size, so that a sanitizer sees a byte read too many.
local function exact(bytes)
  local memory = ffi.gc(ffi.cast("char *", ffi.C.malloc(math.max(#bytes, 1))), ffi.C.free)
  ffi.copy(memory, bytes, #bytes)
  return memory
end

local reply = ffi.new "struct beanstalkd_reply"

-- "more", "garbage", or the reply as {name, number, body, whole}.
local function next_reply(bytes)
  local memory = exact(bytes)
  local found = lib.beanstalkd_next(reply, memory, #bytes)
  if found ~= 1 then
    return found == 0 and "more" or "garbage"
  end
  return {
    name = ffi.string(lib.beanstalkd_reply_name(reply.kind)),
    number = tostring(reply.number):match "%d+",
    body = reply.body ~= nil and ffi.string(reply.body, reply.size) or nil,
    whole = tonumber(reply.whole),
  }
end

-- wire, name, number, body
local REPLIES = {
  { "RESERVED 17 5\r\nhello\r\n", "RESERVED", "17", "hello" },
  { "RESERVED 18446744073709551615 0\r\n\r\n", "RESERVED", "18446744073709551615", "" },
  { "RESERVED 1 4\r\n\r\n\0\n\r\n", "RESERVED", "1", "\r\n\0\n" },
  { "DELETED\r\n", "DELETED" },
  { "TIMED_OUT\r\n", "TIMED_OUT" },
  { "INSERTED 3\r\n", "INSERTED", "3" },
  { "OK 8\r\n---\na: 1\r\n", "OK", "0", "---\na: 1" },
  { "NOT_FOUND\r\n", "NOT_FOUND" },
  { "RELEASED\r\n", "RELEASED" },
  { "BURIED\r\n", "BURIED" },
  { "BURIED 12\r\n", "BURIED", "12" },
  { "TOUCHED\r\n", "TOUCHED" },
  { "USING email.regular\r\n", "USING", "0", "email.regular" },
  { "WATCHING 2\r\n", "WATCHING", "2" },
  { "FOUND 4 2\r\n{}\r\n", "FOUND", "4", "{}" },
  { "KICKED\r\n", "KICKED" },
  { "KICKED 9\r\n", "KICKED", "9" },
  { "PAUSED\r\n", "PAUSED" },
  { "DEADLINE_SOON\r\n", "DEADLINE_SOON" },
  { "NOT_IGNORED\r\n", "NOT_IGNORED" },
  { "JOB_TOO_BIG\r\n", "JOB_TOO_BIG" },
  { "DRAINING\r\n", "DRAINING" },
  { "OUT_OF_MEMORY\r\n", "OUT_OF_MEMORY" },
  { "INTERNAL_ERROR\r\n", "INTERNAL_ERROR" },
  { "EXPECTED_CRLF\r\n", "EXPECTED_CRLF" },
  { "BAD_FORMAT\r\n", "BAD_FORMAT" },
  { "UNKNOWN_COMMAND\r\n", "UNKNOWN_COMMAND" },
}

local GARBAGE = {
  ["an empty line"] = "\r\n",
  ["a line feed alone"] = "\n",
  ["a line without CR"] = "DELETED\n",
  ["an unknown word"] = "HELLO\r\n",
  ["a word in small letters"] = "deleted\r\n",
  ["the beginning of a word"] = "DELETE\r\n",
  ["a longer word"] = "DELETEDX\r\n",
  ["a NUL in a word"] = "DEL\0TED\r\n",
  ["HTTP"] = "HTTP/1.1 400 Bad Request\r\n",
  ["an argument where none belongs"] = "DELETED 1\r\n",
  ["a space behind"] = "DELETED \r\n",
  ["a number that is missing"] = "INSERTED\r\n",
  ["a number that is empty"] = "INSERTED \r\n",
  ["two spaces"] = "INSERTED  1\r\n",
  ["a number with letters"] = "INSERTED 1x\r\n",
  ["a negative number"] = "INSERTED -1\r\n",
  ["a number with a plus"] = "INSERTED +1\r\n",
  ["a hexadecimal number"] = "INSERTED 0x1\r\n",
  ["a number of 2^64"] = "INSERTED 18446744073709551616\r\n",
  ["a number of 40 digits"] = "INSERTED " .. ("9"):rep(40) .. "\r\n",
  ["a third number"] = "RESERVED 1 2 3\r\nab\r\n",
  ["a size that is missing"] = "RESERVED 1\r\n",
  ["a negative size"] = "RESERVED 1 -1\r\n",
  ["a size over the largest body"] = "RESERVED 1 62914561\r\n",
  ["a size of 2^64 - 1"] = "RESERVED 1 18446744073709551615\r\n",
  ["a size of 2^64 - 2"] = "OK 18446744073709551614\r\n",
  ["a body longer than its size"] = "RESERVED 1 4\r\nhello\r\n",
  ["a body shorter than its size"] = "FOUND 1 6\r\nhello\r\nDELETED\r\n",
  ["a tube that is missing"] = "USING\r\n",
  ["a tube that is none"] = "USING a b\r\n",
  ["a tube with an escape"] = "USING \27[2J\r\n",
  ["a line that does not end"] = ("A"):rep(300),
  ["a known word in a line that does not end"] = "INSERTED " .. ("1"):rep(300),
}

describe("beanstalkd_next", function()
  for _, case in ipairs(REPLIES) do
    local wire, name, number, body = unpack(case, 1, 4)
    it(("reads %q"):format(wire), function()
      assert.same({ name = name, number = number or "0", body = body, whole = #wire }, next_reply(wire))
    end)

    it(("waits for the rest at every offset of %q, and takes nothing of what follows"):format(wire), function()
      for at = 0, #wire - 1 do
        assert.equal("more", next_reply(wire:sub(1, at)), "at " .. at)
      end
      assert.equal(#wire, next_reply(wire .. "RESERVED 1").whole)
      assert.equal(#wire, next_reply(wire .. wire).whole)
    end)
  end

  for what, wire in pairs(GARBAGE) do
    it("refuses " .. what, function()
      assert.equal("garbage", next_reply(wire))
    end)

    it("neither takes nor outruns " .. what .. " at any offset", function()
      for at = 0, #wire do
        assert.is_string(next_reply(wire:sub(1, at)), "at " .. at)
      end
    end)
  end

  it("bears any bytes", function()
    math.randomseed(2)
    for _ = 1, 20000 do
      local case = REPLIES[math.random(#REPLIES)][1]
      local at = math.random(#case)
      next_reply(case:sub(1, at - 1) .. string.char(math.random(0, 255)) .. case:sub(at + 1))
    end
  end)

  it("takes a body of 65,535 bytes, and waits for one of the largest size", function()
    local body = ("x"):rep(65535)
    assert.equal(body, next_reply("RESERVED 1 65535\r\n" .. body .. "\r\n").body)
    assert.equal("more", next_reply("RESERVED 1 62914560\r\n" .. body))
  end)
end)

describe("beanstalkd_reply_fatal", function()
  it("is true for the three that leave the stream out of step", function()
    local fatal = {}
    for kind = 0, 22 do
      if lib.beanstalkd_reply_fatal(kind) then
        table.insert(fatal, ffi.string(lib.beanstalkd_reply_name(kind)))
      end
    end
    assert.same({ "EXPECTED_CRLF", "BAD_FORMAT", "UNKNOWN_COMMAND" }, fatal)
  end)
end)

describe("commands", function()
  local function written(write)
    local out = buffers.new()
    write(out)
    return buffers.bytes(out)
  end

  it("puts bodies as they are", function()
    local function put(body)
      return written(function(out)
        lib.beanstalkd_put(out, 4294967295, 0, 1, body, #body)
      end)
    end
    assert.equal("put 4294967295 0 1 0\r\n\r\n", put "")
    assert.equal("put 4294967295 0 1 5\r\na\r\n\0b\r\n", put "a\r\n\0b")
  end)

  it("writes ids of 64 bits", function()
    assert.equal("delete 18446744073709551615\r\n", written(function(out)
      lib.beanstalkd_command_id(out, "delete", 0xffffffffffffffffULL)
    end))
    assert.equal("release 1 1024 5\r\nbury 2 0\r\n", written(function(out)
      lib.beanstalkd_release(out, 1, 1024, 5)
      lib.beanstalkd_bury(out, 2, 0)
    end))
  end)
end)

describe("beanstalkd_tube_valid", function()
  local function valid(tube)
    return lib.beanstalkd_tube_valid(tube, #tube)
  end

  it("takes what beanstalkd takes", function()
    for _, tube in ipairs { "a", "email.regular", "A-Z+0/9;$_()", ("t"):rep(200), "0-" } do
      assert.is_true(valid(tube), tube)
    end
  end)

  it("takes nothing else", function()
    for _, tube in ipairs { "", "-a", "a b", "a\0b", "\0", "a,b", "é", "a\n", "*", ("t"):rep(201) } do
      assert.is_false(valid(tube), ("%q"):format(tube))
    end
  end)
end)

describe("statistics", function()
  local YAML = '---\nid: 17\ntube: "email.regular"\nname: default\npri: 1024\nempty: \nquote: "\n'
    .. 'big: 18446744073709551615\nover: 18446744073709551616\nfloat: 0.5\nttr: 60'

  local function stat(key, yaml)
    local size = ffi.new "size_t[1]"
    yaml = yaml or YAML
    local memory = exact(yaml)
    local value = lib.beanstalkd_stat(memory, #yaml, key, size)
    return value ~= nil and ffi.string(value, size[0]) or nil
  end

  local function number(key)
    return tostring(lib.beanstalkd_stat_number(exact(YAML), #YAML, key, 7)):match "%d+"
  end

  it("gives values without their quotes", function()
    assert.equal("17", stat "id")
    assert.equal("email.regular", stat "tube")
    assert.equal("default", stat "name")
    assert.equal("", stat "empty")
    assert.equal('"', stat "quote")
    assert.equal("60", stat "ttr")
  end)

  it("knows whole keys only, and bears a cut anywhere", function()
    for _, key in ipairs { "i", "d", "ub", "none", "1024", "tube: " } do
      assert.is_nil(stat(key), key)
    end
    for at = 0, #YAML do
      stat("ttr", YAML:sub(1, at))
      stat("tube", YAML:sub(1, at))
    end
  end)

  it("gives whole numbers of 64 bits and nothing like them", function()
    assert.equal("1024", number "pri")
    assert.equal("18446744073709551615", number "big")
    for _, key in ipairs { "over", "float", "tube", "empty", "quote", "none" } do
      assert.equal("7", number(key), key)
    end
  end)

  it("gives lists, quoted or not", function()
    local function list(yaml)
      local memory, at, size, entries = exact(yaml), ffi.new "size_t[1]", ffi.new "size_t[1]", {}
      while true do
        local entry = lib.beanstalkd_list_next(memory, #yaml, at, size)
        if entry == nil then
          return entries
        end
        table.insert(entries, ffi.string(entry, size[0]))
      end
    end
    assert.same({ "default", "email.regular", "last" }, list '---\n- default\n- "email.regular"\nnoise\n-\n- last')
    assert.same({}, list "---\n")
    assert.same({}, list "")
  end)
end)
