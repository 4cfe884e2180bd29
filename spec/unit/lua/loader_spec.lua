package.path = "runtime/lua/?.lua;" .. package.path
local loader = require "lunastalk.loader"

describe("lunastalk.loader", function()
  local globals

  -- Loads a jobs directory that exists in `files` only: "email/x.lua" → its text.
  local function load_files(files, problems)
    local list = {}
    for file in pairs(files) do
      if not file:find("^_") and not file:find("^lib/") then
        list[#list + 1] = file
      end
    end
    table.sort(list)
    local searchers = { package.loaders[1] }
    globals = setmetatable({ require = function(name)
      local found = searchers[2](name)
      return type(found) == "string" and error(found .. searchers[3](name)) or found(name)
    end }, { __index = _G })
    return loader.load({
      scan = function() return "/srv/jobs", "jobs", list end,
      closest = function(_, name) return name == "mony" and "money" end,
      read = function(path)
        local file = path:match("^/srv/jobs/(.*)")
        if problems and problems[file] then
          return nil, problems[file]
        end
        return files[file]
      end,
    }, searchers, globals)
  end

  local function refuses(message, files, problems)
    local fine, why = pcall(load_files, files, problems)
    assert.is_false(fine)
    assert.matches(message, why, 1, true)
  end

  it("loads both forms of handler by their names", function()
    local handlers, names = load_files {
      ["a.lua"] = "return function() return 1 end",
      ["email/welcome.lua"] = "return { process = function() return 2 end }",
    }
    assert.same({ "a", "email.welcome" }, { names[1].name, names[2].name })
    assert.same({ 1, 2 }, { handlers.a(), handlers["email.welcome"]() })
  end)

  it("loads the middleware, where there is one", function()
    assert.is_nil((select(3, load_files { ["a.lua"] = "return function() end" })))
    local _, _, middleware = load_files { ["_middleware.lua"] = "return function() return 3 end" }
    assert.equal(3, middleware())
    refuses("jobs/_middleware.lua: it returns a function(job, next); this one returned nothing",
      { ["_middleware.lua"] = "" })
    refuses("jobs/_middleware.lua:1: boom", { ["_middleware.lua"] = "error 'boom'" })
  end)

  it("reads the options of each", function()
    local unset = 2 ^ 32 - 1
    local _, names = load_files {
      ["a.lua"] = "return function() end",
      ["b.lua"] = "return { process = function() end }",
      ["c.lua"] = "return { process = function() end, timeout = 1.5, retry = { max = 5, delay = 10 } }",
    }
    assert.same({
      { name = "a", timeout = 0, max = unset, delay = unset },
      { name = "b", timeout = 0, max = unset, delay = unset },
      { name = "c", timeout = 1500, max = 5, delay = 10 },
    }, names)
    refuses("jobs/d/e.lua: timeout must be a number from 0.001 to 2147483.648, not -1",
      { ["d/e.lua"] = "return { process = function() end, timeout = -1 }" })
  end)

  it("runs the bootstrap first", function()
    local handlers = load_files {
      ["_bootstrap.lua"] = "rawset(_G, 'booted', 5)",
      ["a.lua"] = "local seen = booted return function() return seen end",
    }
    assert.equal(5, handlers.a())
    rawset(_G, "booted", nil)
  end)

  it("finds shared code in lib/", function()
    local handlers = load_files {
      ["a.lua"] = "local b, c = require 'x.b', require 'c' return function() return b .. c end",
      ["lib/x/b.lua"] = "return ...",
      ["lib/c/init.lua"] = "return '+c'",
    }
    assert.equal("x.b+c", handlers.a())
  end)

  it("finds stray globals where they stand, also in lib/", function()
    local handlers = load_files {
      ["a.lua"] = "return function(job)\n if job then x = 1 end\n return y\nend",
    }
    local function error_of(...)
      return (select(2, pcall(handlers.a, ...)))
    end
    assert.equal("jobs/a.lua:2: assignment to the global variable x: declare it local", error_of(true))
    assert.equal("jobs/a.lua:3: variable y is not defined", error_of())
    refuses("jobs/lib/b.lua:2: ", { ["a.lua"] = "require 'b'", ["lib/b.lua"] = "\nx = 1" })
  end)

  it("names file and line of what does not load", function()
    refuses("jobs/a.lua:2: ", { ["a.lua"] = "\nreturn function(" })
    refuses("jobs/a.lua:2: ouch", { ["a.lua"] = "\nerror 'ouch'" })
    refuses('jobs/a.lua: {"code":1}', { ["a.lua"] = "error { code = 1 }" })
    refuses("jobs/_bootstrap.lua:1: ouch", { ["_bootstrap.lua"] = "error 'ouch'" })
    refuses("jobs/a.lua is bytecode", { ["a.lua"] = string.dump(function() end) })
    refuses("jobs/lib/b.lua is bytecode", { ["a.lua"] = "require 'b'", ["lib/b.lua"] = string.dump(function() end) })
    refuses("jobs/a.lua is a FIFO", { ["a.lua"] = "" }, { ["a.lua"] = "is a FIFO, not a regular file" })
  end)

  it("says where it looked for a module that is missing, and what may help", function()
    refuses("no file 'jobs/lib/stripe/init.lua'\n\tperhaps: luarocks", { ["a.lua"] = "require 'stripe'" })
    refuses("\n\tdid you mean 'money', from jobs/lib?", { ["a.lua"] = "require 'mony'" })
  end)

  it("names the line where a library that fails is used", function()
    rawset(_G, "fails_in_library", loadstring("error 'too old'", "@/usr/share/x.lua"))
    refuses("jobs/a.lua:2: /usr/share/x.lua:1: too old", { ["a.lua"] = "\nfails_in_library()" })
    rawset(_G, "fails_in_library", nil)
  end)

  it("refuses a file that returns no handler", function()
    refuses("jobs/a.lua: a handler file returns", { ["a.lua"] = "" })
    refuses("returned nothing", { ["a.lua"] = "" })
    refuses("returned nil", { ["a.lua"] = "return nil" })
    refuses('returned "text"', { ["a.lua"] = "return 'text'" })
    refuses('returned a table ({"proces":1})', { ["a.lua"] = "return { proces = 1 }" })
  end)
end)
