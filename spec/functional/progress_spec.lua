--- job:progress, and what the runtime makes of a process that says it wrongly.
local beanstalkd = require "spec.support.beanstalkd"
local jobs = require "spec.support.jobs"
local worker = require "spec.support.worker"

local server = beanstalkd.start()
local queue = server:client()

local function handler(code)
  return "return function(job)\n" .. code .. "\nend"
end

local HANDLERS = {
  ["_bootstrap.lua"] = "require('ffi').cdef 'long write(int fd, const void *bytes, size_t size); int pause(void);'",
  ["text.lua"] = handler "job:progress(job.data.text) error 'told'",
  ["succeeds.lua"] = handler "job:progress(0.5) job:progress { step = 'two \"words\"', done = job.data.done }",
  ["fails.lua"] = handler "for i = 1, 10000 do job:progress(i) end error 'no luck'",
  ["silent.lua"] = handler "error 'no word'",
  ["hangs.lua"] = handler "job:progress 'here it hangs' require('ffi').C.pause()",
  ["floods.lua"] = handler "for i = 1, 1e5 do job:progress(i) end",
  ["wrongly.lua"] = handler [[
    local cyclic = {}
    cyclic.me = cyclic
    local values = { cyclic = cyclic, func = print, nan = 0 / 0, huge = ('x'):rep(1e6) }
    job:progress "good"
    job:progress(values[job.data.value]) ]],
  ["writes.lua"] = handler [[
    local frame = job.data.frame:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
    require('ffi').C.write(3, frame, #frame)
    error 'written' ]],
}

local w = worker.start {
  server = server, jobs = HANDLERS, config = { log = { { to = "stdout", level = "debug" } } },
}
w:log "handlers are loaded"

local sent = 0 -- jobs so far: the sequence of the last, since one runs at a time

-- Runs a job to its end; the record of that.
local function run(name, data)
  local id = assert(queue:put(jobs.body(name, data)))
  sent = sent + 1
  return w:log("\n([^\n]* " .. name .. ": job f[ai][^\n]* id=" .. id .. " [^\n]*)\n")
end

local function u32(value)
  return string.char(value % 256, math.floor(value / 256) % 256, 0, 0)
end

local function u64(value)
  return u32(value) .. u32(0)
end

local function bytes(text)
  return u32(#text) .. text
end

local function written(kind, payload)
  local frame = u32(#payload) .. string.char(kind) .. payload
  return run("writes", { frame = frame:gsub(".", function(char) return ("%02x"):format(char:byte()) end) })
end

describe("job:progress", function()
  it("is told with the end of a job, its last value", function()
    assert.matches(
      [[progress="{\"done\":7,\"step\":\"two \\\"words\\\"\"}"]], run("succeeds", { done = 7 }), 1, true)
    assert.matches("fails.lua:2: no luck .* progress=10000 ", run "fails")
    assert.is_nil(run("silent"):find "progress=")
  end)

  it("tells how far a job was that is killed", function()
    local id = assert(queue:put '{"job":"hangs","timeout":1}')
    sent = sent + 1
    local record = w:log("\n([^\n]*timed out after 1 s[^\n]* id=" .. id .. " [^\n]*)\n")
    assert.matches('progress="\\"here it hangs\\"', record, 1, true)
  end)

  it("may be called a hundred thousand times, and the last value is told", function()
    assert.matches("progress=100000 job=", run "floods")
  end)

  it("may hold a backslash before u0000, but no NUL", function()
    assert.matches("told", run("text", { text = "\\u0000" }))
    assert.matches("there is a NUL in it", run("text", { text = "\\\0" }))
  end)

  it("refuses what is no progress, and what was told before stays", function()
    for value, reason in pairs {
      cyclic = "deeper than 64 levels", func = "give it a number", nan = "the number", huge = "1000002 bytes of JSON",
    } do
      local record = run("wrongly", { value = value })
      assert.matches("jobs/wrongly.lua:6: job:progress: .*" .. reason, record)
      assert.matches('progress="\\"good\\""', record, 1, true)
    end
  end)
end)

describe("a process that writes to the wire by itself", function()
  local PROGRESS, ONCE = 27, 28

  it("is believed where it keeps to the rules", function()
    for _, json in ipairs { "1", ("1"):rep(18) .. (" "):rep(1006), ("["):rep(64) .. ("]"):rep(64) } do
      local record = written(PROGRESS, u64(sent + 1) .. bytes(json))
      assert.matches("writes.lua:4: written", record)
      assert.matches("progress=[^%a]*" .. json:gsub("%p", "%%%0"), record)
    end
  end)

  it("is ended where it does not", function()
    for _, json in ipairs {
      "", "{", "nil", "1 2", "1\0", '"\255"', '{"a":1,"a":2}', '"' .. ("x"):rep(1023) .. '"',
      ("["):rep(65) .. ("]"):rep(65),
    } do
      assert.matches("malformed frame", written(PROGRESS, u64(sent + 1) .. bytes(json)))
    end
    assert.matches("malformed frame", written(PROGRESS, u64(sent + 2) .. bytes "1"))
    assert.matches("malformed frame", written(PROGRESS, u64(sent + 1) .. bytes "1" .. "1"))
    local function once(ahead, key, ttl)
      return written(ONCE, u32(1) .. u64(sent + ahead) .. bytes(key) .. u32(ttl))
    end
    for _, record in ipairs {
      once(1, "", 60), once(1, ("k"):rep(201), 60), once(1, "a\nb", 60), once(1, "\127", 60), once(1, "k", 0),
      once(2, "k", 60),
    } do
      assert.matches("malformed frame", record)
    end
    assert.matches("progress=7 ", written(PROGRESS, u64(sent + 1) .. bytes "7"))
  end)

  it("leaves the worker in good order", function()
    assert.equal(0, (w:stop()))
  end)
end)
