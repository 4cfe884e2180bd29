local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

cdef [[
  typedef struct _IO_FILE FILE;
  struct list { struct list *next, *prev; };
  struct error { char text[1024]; };
]]
for _, path in ipairs {
  "base/level.h", "config/config.h", "job/envelope.h", "job/policy.h", "job/job.h", "executor/handlers.h",
  "executor/limits.h",
} do
  header(path)
end

local UNSET = 2 ^ 32 - 1
local SAYS_ALL, SAYS_NOTHING = { 1500, 4, 20 }, { 0, UNSET, UNSET }

-- Sets the limits of a job with that body: handlers are name → { timeout in ms, retry.max, retry.delay }.
local function set(body, handlers)
  local table_of = ffi.gc(ffi.new "struct handlers", lib.handlers_free)
  for name, options in pairs(handlers) do
    lib.handlers_add(table_of, name, #name, ffi.new("struct handler", nil, unpack(options)))
  end
  lib.handlers_sort(table_of)
  local config = ffi.new "struct config"
  config.jobs.timeout_ms, config.jobs.max_timeout_s = 7000, 60
  config.jobs.retry.max, config.jobs.retry.delay_s = 2, 5
  local job, why = ffi.gc(lib.job_new("server", 1, body, #body), lib.job_free), ffi.new "struct error"
  assert.equal(0, lib.envelope_parse(job.envelope, job.body, job.size, why))
  local refusal = ffi.new "enum policy_outcome[1]"
  local result = lib.limits_set(job, table_of, config, refusal, why)
  return job, result, tonumber(refusal[0]), ffi.string(why.text)
end

local function limits(body, options)
  local job, result = set(body, { a = options })
  assert.equal(0, result)
  return { tonumber(job.timeout_ms), job.retry.max, job.retry.delay_s }
end

describe("executor/limits", function()
  it("takes the envelope's word before the handler's, and that before the configuration's", function()
    assert.same({ 7000, 2, 5 }, limits('{"job":"a"}', SAYS_NOTHING))
    assert.same({ 1500, 4, 20 }, limits('{"job":"a"}', SAYS_ALL))
    assert.same({ 60000, 0, 0 }, limits('{"job":"a","timeout":60,"retry":{"max":0,"delay":0}}', SAYS_ALL))
  end)

  it("takes each of them by itself", function()
    assert.same({ 7000, 0, 5 }, limits('{"job":"a"}', { 0, 0, UNSET }))
    assert.same({ 1500, 4, 1 }, limits('{"job":"a","retry":{"delay":1}}', SAYS_ALL))
    assert.same({ 9000, 9, 5 }, limits('{"job":"a","timeout":9,"retry":{"max":9}}', SAYS_NOTHING))
  end)

  it("refuses a job that asks for more time than any may have", function()
    local _, result, refusal, why = set('{"job":"a","timeout":61}', { a = SAYS_ALL })
    assert.same({ -1, tonumber(lib.POLICY_NO_ENVELOPE) }, { result, refusal })
    assert.equal('"timeout" is over jobs.max_timeout, 60 s', why)
  end)

  it("refuses a name that no handler has, and suggests one that is close", function()
    for name, reason in pairs {
      send_emial = 'there is no handler "send_emial"; did its producer mean "send_email"?',
      refund = 'there is no handler "refund"',
    } do
      local _, result, refusal, why = set(('{"job":"%s"}'):format(name), { send_email = SAYS_ALL, a = SAYS_ALL })
      assert.same({ -1, tonumber(lib.POLICY_UNKNOWN_NAME) }, { result, refusal })
      assert.equal(reason, why)
    end
  end)
end)
