--- SIGTERM at any moment: nothing is lost and nothing runs twice. ROUNDS (60) and SEED are environment variables.
local beanstalkd = require "spec.support.beanstalkd"
local jobs = require "spec.support.jobs"
local signal = require "posix.signal"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"
local worker = require "spec.support.worker"

local ROUNDS = tonumber(os.getenv "ROUNDS") or 60
local SEED = tonumber(os.getenv "SEED") or os.time()
local READY, LONGEST_DELAY = 300, 0.06 -- jobs that a worker finds; seconds until its SIGTERM

local server = beanstalkd.start()
local queue = server:client()

-- Each writes its number, and the attempt, as one line: O_APPEND keeps lines whole.
local BOOTSTRAP = [[
require("ffi").cdef "int usleep(unsigned us);"
package.loaded.mark = function(job, attempt)
  local file = assert(io.open("ran", "a"))
  file:write(job.data.n, ".", attempt, "\n")
  file:close()
end]]

local HANDLERS = {
  ["_bootstrap.lua"] = BOOTSTRAP,
  ["short.lua"] = "local mark = require 'mark' return function(job) mark(job, 1) end",
  ["long.lua"] = [[
    local C, mark = require("ffi").C, require "mark"
    return function(job) mark(job, 1) C.usleep(job.data.us) end]],
  ["fails_once.lua"] = [[
    local mark = require "mark"
    return {
      retry = { max = 1, delay = 1 },
      process = function(job) mark(job, job.attempt) return job.attempt == 2 end,
    }]],
}

local expected, last = {}, 0

local function put_one()
  local dice = math.random(100)
  last = last + 1
  table.insert(expected, last .. ".1")
  local name = dice <= 2 and "long" or dice <= 6 and "fails_once" or "short"
  if name == "fails_once" then
    table.insert(expected, last .. ".2")
  end
  assert(queue:put(jobs.body(name, { n = last, us = math.random(0, 60000) })))
end

local function ran(dir)
  local lines = {}
  for line in temp.read(dir .. "/ran"):gmatch "[^\n]+" do
    table.insert(lines, line)
  end
  return lines
end

-- Counted from its start or from its first record: before that a signal may find no program yet that could stop.
local function run_and_stop(dir, executors, begun)
  local w = worker.start { dir = dir, args = { "--executors=" .. executors } }
  if begun then
    w:log "\n"
  end
  wait.pause(math.random() * LONGEST_DELAY)
  w:kill()
  local code, number = w:wait(10)
  assert.is_true(code == 0 or not begun and number == signal.SIGTERM and w:output() == "", w:output())
  assert.is_nil(w:output():match "[^\n]*killed[^\n]*")
  return w:output()
end

describe("SIGTERM", function()
  it(("after a random delay, %d times, loses no job and runs none twice (SEED=%d)"):format(ROUNDS, SEED), function()
    math.randomseed(SEED)
    local dir = worker.project {
      server = server, jobs = HANDLERS, files = { ran = "" }, config = { jobs = { retry = { delay = 1 } } },
    }
    local output = {}
    for round = 1, ROUNDS do
      for _ = queue:jobs().ready, READY do
        put_one()
      end
      table.insert(output, run_and_stop(dir, round % 3 == 0 and 2 or 1, round % 2 == 0))
      assert.equal(0, queue:jobs().reserved)
    end
    local final = worker.start { dir = dir }
    wait.eventually(60, function()
      local left = queue:jobs()
      return left.ready + left.reserved + left.delayed == 0
    end, "an empty queue")
    assert.equal(0, (final:stop()))
    assert.equal(0, queue:jobs().buried)
    local found = ran(dir)
    table.sort(expected)
    table.sort(found)
    for at = 1, math.max(#expected, #found) do
      assert.is_true(expected[at] == found[at], ("job %s or %s is lost or ran twice (SEED=%d):\n%s"):format(
        expected[at], found[at], SEED, table.concat(output, "--\n")))
    end
  end)
end)
