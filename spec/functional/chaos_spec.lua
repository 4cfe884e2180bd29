--- scripts/chaos, a minute of it; and its checker on a worker with a planted bug.
local chaos = require "spec.support.chaos.run"
local process = require "spec.support.process"
local stdlib = require "posix.stdlib"
local temp = require "spec.support.temp"

local SECONDS, SEED = 60, 1
local build = os.getenv "BUILD" or "build"

local function found(report)
  local set = {}
  for _, it in ipairs(report.violations) do
    set[it.what] = true
  end
  return set
end

-- Where the planted bug goes: the worker deletes each job when it gets it.
local FILE = "runtime/queue/beanstalkd_consumer.c"
local PLANTS = {
  ["\nstatic void take%(struct consumer"] = [[

static void on_planted(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    (void)context, (void)argument, (void)reply;
}
%0]],
  ["    queue%->events%.reserved%("] = [[
    beanstalkd_command_id(connection_out(consumer->connection), "delete", job->id);
    expect(consumer, on_planted, NULL);
%0]],
}

-- Builds what is tested once more, with the bug; only one object is made anew.
local function build_planted()
  local dir = temp.dir()
  local target = dir .. "/build"
  assert(process.run { "mkdir", target } == 0)
  assert(process.run { "cp", "-a", "Makefile", "runtime", dir } == 0)
  assert(process.run { "cp", "-a", build .. "/obj", target } == 0)
  local source = temp.read(FILE)
  for place, text in pairs(PLANTS) do
    local changes
    source, changes = source:gsub(place, text)
    assert.equal(1, changes, "no place for the bug: " .. place)
  end
  temp.write(dir .. "/" .. FILE, source)
  local sanitize = build:find "asan$" and "SANITIZE=1" or "SANITIZE="
  local code, output, errors = process.run({ "make", "-s", "-C", dir, "BUILD=" .. target, sanitize, "all" },
    { seconds = 120 })
  assert.equal(0, code, output .. errors)
  return target
end

describe("chaos", function()
  it("loses no job, and runs none twice without a reason", function()
    local report = chaos.run(SECONDS, SEED)
    assert.is_true(#report.violations == 0, chaos.describe(report))
    assert.is_true(report.runs > 500 and report.repeats > 50, chaos.describe(report)) -- there was something to judge
  end)

  it("finds a worker that deletes its jobs before it runs them", function()
    stdlib.setenv("BUILD", build_planted())
    local report = chaos.run(3, SEED)
    stdlib.setenv("BUILD", build)
    local what = found(report)
    assert.is_true(what["delete without success"], chaos.describe(report))
    assert.is_true(what.lost, chaos.describe(report))
  end)
end)
