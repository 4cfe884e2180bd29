local cdef = require "spec.support.cdef"
local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"
local signal = require "posix.signal"
local sys_wait = require "posix.sys.wait"
local unistd = require "posix.unistd"

cdef "struct list { struct list *next, *prev; }; struct error { char text[1024]; };"
cdef "void *malloc(size_t size);"
header "job/envelope.h"
header "job/policy.h"
header "job/job.h"

local SERVER = ffi.new("char[16]", "127.0.0.1:11300")

local function new(body)
  return ffi.gc(lib.job_new(SERVER, 7, body, #body), lib.job_free)
end

describe("job/job", function()
  it("begins HELD, with a copy of the body and nothing else", function()
    for _, body in ipairs { "", "{}", "a\0b", ("x"):rep(65535) } do
      local job = new(body)
      assert.equal(lib.JOB_HELD, tonumber(job.state))
      assert.is_true(job.server == SERVER)
      assert.equal(7, tonumber(job.id))
      assert.equal(#body, tonumber(job.size))
      assert.equal(body .. "\0", ffi.string(job.body, #body + 1))
      assert.equal("", ffi.string(job.envelope.name))
      for _, member in ipairs { "tube", "stats", "consumer", "outcome", "progress" } do
        assert.is_true(job[member] == nil)
      end
      assert.is_true(job.place.next == job.place and job.in_consumer.prev == job.in_consumer)
    end
  end)

  it("leaves its lists when it is freed", function()
    local head = ffi.new "struct list"
    for _, member in ipairs { "place", "in_consumer" } do
      local job = lib.job_new(SERVER, 7, "", 0)
      local link = job[member]
      head.next, head.prev, link.next, link.prev = link, link, head, head
      lib.job_free(job)
      assert.is_true(head.next == head and head.prev == head)
    end
  end)

  it("stays until everybody who holds it has freed it", function()
    local head, job = ffi.new "struct list", lib.job_new(SERVER, 7, "body", 4)
    local link = job.place
    head.next, head.prev, link.next, link.prev = link, link, head, head
    lib.job_hold(job)
    lib.job_hold(job)
    for _ = 1, 2 do
      lib.job_free(job)
      assert.equal("body", ffi.string(job.body))
      assert.is_true(head.next == link)
    end
    lib.job_free(job)
    assert.is_true(head.next == head)
  end)

  it("frees what it owns", function() -- the sanitizer watches
    local problem, body = ffi.new "struct error", '{"job":"a","success":{"callback":["http://a","http://b"]}}'
    local job = lib.job_new(SERVER, 7, body, #body)
    assert.equal(0, lib.envelope_parse(job.envelope, job.body, job.size, problem))
    lib.job_set_outcome(job, "POLICY_FAILED", 0, "why", 3, "trace", 5)
    lib.job_free(job)
  end)

  it("may run for its timeout, else for its TTR, if that is known", function()
    local job, stats = new "", ffi.new "struct job_stats"
    assert.equal(0, tonumber(lib.job_limit_ms(job)))
    stats.ttr_s = 0xffffffff
    job.stats = stats
    assert.equal(0xffffffff * 1000, tonumber(lib.job_limit_ms(job)))
    job.timeout_ms = 250
    assert.equal(250, tonumber(lib.job_limit_ms(job)))
    job.stats = nil
    assert.equal(250, tonumber(lib.job_limit_ms(job)))
  end)

  it("copies its outcome, and keeps the first", function()
    local job = new ""
    local reason, traceback = ffi.new("char[4]", "why"), ffi.new("char[4]", "a\0b")
    lib.job_set_outcome(job, "POLICY_RELEASED", 60, reason, 3, traceback, 3)
    ffi.fill(reason, 4)
    ffi.fill(traceback, 4)
    lib.job_set_outcome(job, "POLICY_FAILED", 0, "other", 5, "", 0)
    assert.equal(lib.POLICY_RELEASED, tonumber(job.outcome.kind))
    assert.equal(60, job.outcome.delay_s)
    assert.equal("why", ffi.string(job.outcome.reason))
    assert.equal("a\0b\0", ffi.string(job.outcome.traceback, 4))
  end)

  it("has texts in its outcome where none were given", function()
    local job = new ""
    lib.job_set_outcome(job, "POLICY_FAILED", 0, nil, 0, nil, 0)
    assert.equal("", ffi.string(job.outcome.reason))
    assert.equal("", ffi.string(job.outcome.traceback))
  end)

  it("is decided by its outcome, its retries and what its stats count", function()
    local job = ffi.gc(new "", nil)
    local stats = ffi.C.malloc(ffi.sizeof "struct job_stats")
    assert.equal(lib.POLICY_DELETE, tonumber(lib.job_decide(job, false, 0).verb))
    lib.job_set_outcome(job, "POLICY_FAILED", 0, "", 0, "", 0)
    job.envelope.bury = true
    assert.equal(lib.POLICY_BURY, tonumber(lib.job_decide(job, false, 0).verb))
    assert.equal(lib.POLICY_RELEASE, tonumber(lib.job_decide(job, true, 0).verb))
    job.retry.max, job.retry.delay_s = 2, 100
    job.stats = ffi.cast("struct job_stats *", stats)
    job.stats.buries = 1
    local decision = lib.job_decide(job, false, 0)
    assert.same({ lib.POLICY_RETRY, 180, 2 }, { tonumber(decision.verb), decision.delay_s, decision.attempt })
    job.cancelled = true
    assert.equal(lib.POLICY_BURY, tonumber(lib.job_decide(job, false, 0).verb))
    lib.job_free(job)
  end)

  describe("moves", function()
    local STATES = { "HELD", "SENT", "RUNNING", "SETTLING", "RETURNING", "LOST" }
    local DIAGRAM = {
      HELD = "SENT SETTLING RETURNING LOST",
      SENT = "HELD RUNNING SETTLING LOST",
      RUNNING = "SETTLING LOST",
      SETTLING = "LOST",
      RETURNING = "SETTLING LOST",
      LOST = "",
    }

    -- How a process ends that makes the move.
    local function try(job, state)
      local child = assert(unistd.fork())
      if child == 0 then
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        unistd.close(2)
        lib.job_move(job, state)
        unistd._exit(tonumber(job.state))
      end
      local _, how, code = sys_wait.wait(child)
      return how, code
    end

    for _, from in ipairs(STATES) do
      it(("from %s to %s, and nowhere else"):format(from, DIAGRAM[from]), function()
        for _, to in ipairs(STATES) do
          local job = new ""
          job.state = "JOB_" .. from
          local how, code = try(job, "JOB_" .. to)
          if (" " .. DIAGRAM[from] .. " "):find(" " .. to .. " ", 1, true) then
            assert.same({ "exited", lib["JOB_" .. to] }, { how, code })
          else
            assert.same({ "killed", signal.SIGABRT }, { how, code })
          end
        end
      end)
    end
  end)
end)
