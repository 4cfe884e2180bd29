package.path = "runtime/lua/?.lua;" .. package.path

local RELEASED, UNAVAILABLE = 2, 4

describe("lunastalk.connection", function()
  local connection, dispatch, now, rung, rings, records, run

  before_each(function()
    now, rings, records = 1000, {}, {}
    package.loaded["lunastalk.host"] = {
      lowest = 0,
      clock = function() return now end,
      rung = function(f) rung = f end,
      ring = function(seconds) rings[#rings + 1] = seconds end,
      suggest = function(word, names) return word == "caches" and names[1] or nil end,
      log = function(level, message, fields)
        local context = {}
        for i = 1, #fields, 3 do
          context[fields[i]] = fields[i + 2]
        end
        records[#records + 1] = level .. " " .. message:gsub("{(%w+)}", context)
      end,
    }
    for _, name in ipairs { "connection", "dispatch", "log" } do
      package.loaded["lunastalk." .. name] = nil
    end
    connection, dispatch = require "lunastalk.connection", require "lunastalk.dispatch"
    local handlers = {}
    local dispatched = dispatch.new(handlers, package.loaded["lunastalk.host"], error)
    function run(handler)
      handlers.x = handler
      return dispatched("127.0.0.1:11300", "7", "x", "default", '{"job":"x"}')
    end
  end)

  after_each(function()
    for _, name in ipairs { "connection", "dispatch", "log", "host" } do
      package.loaded["lunastalk." .. name] = nil
    end
  end)

  -- One that can be told what to do, and what was done to it.
  local function door(options)
    local self = { up = true, alive = true, opened = 0, pings = 0, closed = 0 }
    connection.define(options and options.name or "door", {
      open = function()
        self.tries = (self.tries or 0) + 1
        if not self.up then return nil, "nobody opens" end
        self.opened = self.opened + 1
        return { number = self.opened }
      end,
      ping = function()
        self.pings = self.pings + 1
        return self.alive
      end,
      close = function() self.closed = self.closed + 1 end,
      idle = options and options.idle,
    })
    return self
  end

  local function use() return connection.get "door" end

  local function uses()
    return unpack({ run(function() use() end) }, 1, 3)
  end

  it("opens when a job first asks, and pings once in each later job", function()
    local self = door()
    assert.same({ 0, 0 }, { self.opened, self.pings })
    run(function() assert.equal(use(), use()) end)
    run(function() use() use() assert.equal(1, use().number) end)
    assert.same({ 1, 1, 0 }, { self.opened, self.pings, self.closed })
  end)

  it("opens again what is dead, however ping says so", function()
    local self = door()
    for n, alive in ipairs { false, nil } do
      self.alive = true
      uses()
      self.alive = alive
      uses()
      assert.same({ n + 1, n }, { self.opened, self.closed })
    end
    assert.equal("2 connection door is dead, and is opened again: its ping returned nothing", records[2])
    connection.define("raises", { open = function() return {} end, ping = function() error("gone", 0) end,
      close = function() error("closed twice", 0) end })
    records = {}
    for _ = 1, 2 do
      run(function() connection.get "raises" end)
    end
    assert.same({ "0 connection raises is open", "2 connection raises is dead, and is opened again: gone",
      "0 connection raises is closed: it is dead", "0 connection raises was not closed well: closed twice",
      "0 connection raises is open" }, records)
  end)

  it("puts jobs back while the server is away, the longer the longer it is, and warns once", function()
    local self = door()
    for _, start in ipairs { 1000, 20000 } do
      records, self.up, self.alive = {}, false, false
      for _, case in ipairs { { 0, 1 }, { 0.5, 1 }, { 1, 1 }, { 7.5, 8 }, { 60, 60 }, { 9999, 60 } } do
        now = start + case[1]
        assert.same({ UNAVAILABLE, case[2], "connection door: nobody opens" }, { uses() })
      end
      assert.equal("3 connection door cannot be opened: nobody opens; until it can, jobs that need it are put back",
        table.remove(records))
      self.up, self.alive, now = true, true, now + 1.26
      uses()
      assert.same({ "0 connection door is open", "2 connection door is back after 10000.3 s" },
        { unpack(records, #records - 1) })
      assert.is_true(#records <= 4) -- and that it was dead, when it was open before
    end
  end)

  it("asks a server that is away once a second", function()
    local self = door()
    self.up = false
    for _ = 1, 10 do
      assert.equal(UNAVAILABLE, (uses()))
      now = now + 0.25
    end
    assert.equal(3, self.tries)
  end)

  it("ends the job for good, and keeps an earlier end", function()
    local self = door()
    self.up = false
    assert.equal(UNAVAILABLE, (run(function() pcall(use) return true end)))
    assert.equal(UNAVAILABLE, (run(function() pcall(use) error "and more" end)))
    assert.equal(UNAVAILABLE, (run(function() coroutine.resume(coroutine.create(use)) end)))
    assert.equal(RELEASED, (run(function(job) pcall(job.release, job) pcall(use) end)))
  end)

  it("is away when another one is that it needs", function()
    local self, outer = door(), 0
    self.up = false
    connection.define("tunnelled", { open = function() outer = outer + 1 return use() end })
    assert.same({ UNAVAILABLE, 1, "connection door: nobody opens" },
      { unpack({ run(function() connection.get "tunnelled" end) }, 1, 3) })
    assert.same({ "3 connection door cannot be opened: nobody opens; until it can, jobs that need it are put back" },
      records)
    self.up, now = true, now + 1
    assert.equal(0, (run(function() connection.get "tunnelled" end)))
    assert.equal(2, outer)
  end)

  it("closes what is idle when it is rung, and tells when the next is", function()
    local self, other = door(), door { name = "other", idle = 5 }
    run(function()
      use()
      now = now + 10
      connection.get "other" -- does not close the one in use
      now = now + 10
    end)
    assert.same({ 60, 5 }, rings)
    assert.equal(5, rung(false)) -- from the end of the job
    now = now + 5
    records = {}
    assert.equal(55, rung(false))
    assert.same({ 0, 1 }, { self.closed, other.closed })
    assert.same({ "1 connection other is closed: idle for 5 s" }, records)
    now = now + 55
    assert.is_nil(rung(false))
    assert.equal(1, self.closed)
    uses()
    assert.same({ 2, 2 }, { self.opened, self.pings + self.opened }) -- a new one is not pinged
    rung(true)
    assert.equal(2, self.closed)
  end)

  it("says when close fails", function()
    connection.define("raises", { open = function() return {} end, close = function() error("no", 0) end })
    connection.define("says", { open = function() return {} end, close = function() return nil, "busy" end })
    connection.define("silent", { open = function() return {} end, close = function() return false end })
    run(function()
      for _, name in ipairs { "raises", "says", "silent" } do
        connection.get(name)
      end
    end)
    records = {}
    rung(true)
    assert.same({ "1 connection raises is closed: the executor ends", "3 connection raises was not closed well: no",
      "1 connection says is closed: the executor ends", "3 connection says was not closed well: busy",
      "1 connection silent is closed: the executor ends" }, records)
  end)

  it("refuses what makes no connection", function()
    local function open() end
    for problem, given in pairs {
      ["a name is made of letters, digits and _ . : -, 100 at most, not "] = { "", { open = open } },
      ["a name is made of letters, digits and _ . : -, 100 at most, not a b"] = { "a b", { open = open } },
      ["a name is made of letters, digits and _ . : -, 100 at most, not 7"] = { 7, { open = open } },
      ["the options of x are a table { open = function() … end }, not nil"] = { "x" },
      ["there is no option opne: there are open, ping, close and idle"] = { "x", { opne = open } },
      ["x has no function open"] = { "x", { ping = open } },
      ["ping of x must be a function, not true"] = { "x", { open = open, ping = true } },
      ["idle of x must be seconds above 0, a week (604800) at most, not 0"] = { "x", { open = open, idle = 0 } },
      ["idle of x must be seconds above 0, a week (604800) at most, not inf"] = { "x", { open = open, idle = 1 / 0 } },
      ["idle of x must be a number, not 5s"] = { "x", { open = open, idle = "5s" } },
    } do
      local fine, why = pcall(connection.define, given[1], given[2])
      assert.is_false(fine)
      assert.equal("connection.define: " .. problem, (why:gsub("^[^ ]*:%d+: ", "")))
    end
  end)

  it("refuses a second definition, and one in a job", function()
    door()
    assert.has_error(function() door() end)
    local _, why = pcall(door)
    assert.matches("connection.define: door was defined before, at .*connection_spec.lua:%d+$", why)
    local _, _, reason = run(function() door { name = "late" } end)
    assert.matches("connection.define: define late outside of functions, so that it is done once", reason, 1, true)
  end)

  it("refuses a name that is none, and a get without a job", function()
    local function refuses(name, problem)
      local _, why = pcall(function() connection.get(name) end)
      assert.equal("connection.get: " .. problem, (why:gsub("^[^ ]*:%d+: ", "")))
    end
    refuses("caches", "there is no connection caches; defined are none")
    door { name = "cache" }
    refuses("caches", "there is no connection caches, did you mean cache?; defined is cache")
    door()
    refuses("x", "there is no connection x; defined are cache, door")
    refuses(nil, "there is no connection nil; defined are cache, door")
    refuses("door", "no job runs: get door in the function that needs it")
  end)
end)
