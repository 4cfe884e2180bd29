package.path = "runtime/lua/?.lua;" .. package.path
local trace = require "lunastalk.trace"

local function frames(...)
  return "stack traceback:\n\t" .. table.concat({ ... }, "\n\t")
end

describe("lunastalk.trace", function()
  local HTTP = "/usr/share/lua/5.1/socket/http.lua:123: in function 'request'"
  local OWN = "jobs/ship.lua:12: in function <jobs/ship.lua:3>"

  it("puts the user's line before an error of a library", function()
    for _, case in ipairs {
      { "/usr/share/lua/5.1/socket/http.lua:123: no host", frames(HTTP, OWN) },
      { "bill.txt: No such file", frames("[C]: in function 'assert'", OWN) },
      { "./vendor/x.lua:1: no", frames("[C]: in function 'error'", "./vendor/x.lua:1: in function 'x'", OWN) },
      { "lib jobs/ship.lua:9: no", frames(HTTP, OWN) },
    } do
      assert.equal("jobs/ship.lua:12: " .. case[1], trace.locate(case[1], case[2], "jobs"))
    end
    assert.equal("jobs/lib/a.lua:7: no",
      trace.locate("no", frames(HTTP, "jobs/lib/a.lua:7: in function 'a'", OWN), "jobs"))
    assert.equal("/srv/a-b.c/x.lua:1: no",
      trace.locate("no", frames(HTTP, "/srv/a-b.c/x.lua:1: in main chunk"), "/srv/a-b.c"))
  end)

  it("leaves alone what begins with it, and what was raised without a place on purpose", function()
    for _, case in ipairs {
      { "jobs/ship.lua:9: no", frames("[C]: in function 'error'", OWN) },
      { "jobs/lib/a.lua:9: no", frames(OWN) },
      { "no stock", frames("[C]: in function 'error'", OWN) },
      { "no", frames(HTTP, "other/ship.lua:12: in function 'x'") },
      { "no", "" },
      { "timed out after 0.25 s", frames(HTTP, OWN) },
      { "cancelled", frames(HTTP, OWN) },
      { "its reservation was lost", frames(HTTP, OWN) },
    } do
      assert.equal(case[1], trace.locate(case[1], case[2], "jobs"))
    end
  end)

  it("keeps the inmost of the user's lines", function()
    local WRAPPED = frames("[C]: in function 'next'", OWN)
    for reason, kept in pairs {
      ["jobs/ship.lua:12: jobs/ship.lua:3: no"] = "jobs/ship.lua:3: no",
      ["jobs/ship.lua:12: jobs/ship.lua:12: jobs/lib/a.lua:7: no\nway"] = "jobs/lib/a.lua:7: no\nway",
      ["jobs/ship.lua:12: /usr/lib/a.lua:7: no"] = "jobs/ship.lua:12: /usr/lib/a.lua:7: no",
      ["jobs/ship.lua:12: see jobs/ship.lua:3: no"] = "jobs/ship.lua:12: see jobs/ship.lua:3: no",
    } do
      assert.equal(kept, trace.locate(reason, WRAPPED, "jobs"))
    end
    assert.equal("/srv/a-b.c/x.lua:1: no",
      trace.locate("/srv/a-b.c/x.lua:2: /srv/a-b.c/x.lua:1: no", WRAPPED, "/srv/a-b.c"))
  end)

  it("takes a traceback out of an error", function()
    assert.same({ "no", frames(HTTP, OWN) }, { trace.split("no\n" .. frames(HTTP, OWN)) })
    assert.same({ "no\nstack" }, { trace.split "no\nstack" })
    local raised = select(2, xpcall(error, debug.traceback, "no\nway"))
    local reason, traceback = trace.split(raised)
    assert.equal("no\nway", reason)
    assert.equal(raised, reason .. "\n" .. traceback)
  end)

  it("leaves our frames out", function()
    local middleware = "jobs/_middleware.lua:2: in function <jobs/_middleware.lua:1>"
    assert.equal(frames(OWN, "[C]: in function 'xpcall'", middleware), trace.strip(frames(OWN,
      "[C]: in function 'xpcall'", "lunastalk.dispatch:71: in function 'next'", "[C]: in function 'xpcall'", middleware,
      "[C]: in function 'xpcall'", "lunastalk.dispatch:80: in function 'within'")))
    assert.equal(frames("[C]: in function 'error'", OWN, "/srv/lunastalk/jobs/x.lua:1: in main chunk"), trace.strip(
      frames("[C]: in function 'error'", "lunastalk.queue:133: in function 'put'", OWN,
        "lunastalk.dispatch:9: in function <lunastalk.dispatch:8>", "/srv/lunastalk/jobs/x.lua:1: in main chunk")))
  end)
end)
