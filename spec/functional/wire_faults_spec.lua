--- What a server, or what stands between, can do to a reply: splits, merges, garbage, refusals.
local fake = require "spec.support.fake"
local scripted = require "spec.support.scripted"
local wait = require "spec.support.wait"

local OK, BAD, AGAIN = scripted.OK, scripted.BAD, scripted.AGAIN
local SETUP = "WATCHING 1\r\n" .. fake.stats()

-- The two pieces arrive apart, if the other side is not busy.
local function send_split(conn, bytes, at)
  if at > 0 then
    conn:send(bytes:sub(1, at))
    wait.pause(0.001)
  end
  conn:send(bytes:sub(at + 1))
end

local function ends_well(w)
  assert.equal(0, (w:stop()))
end

describe("replies", function()
  local server, w = scripted.start()

  it("come byte by byte", function()
    local conn = server:accept()
    assert.equal("watch default|stats", conn:lines(2))
    conn:drip(SETUP)
    assert.equal("reserve-with-timeout 60", conn:line())
    conn:drip(fake.reserved(1, OK))
    assert.equal("delete 1", conn:line())
    conn:drip "DELETED\r\n"
    conn:give(2, BAD)
    conn:answer "stats-job 2"
    conn:drip(fake.stats_job { pri = 9 })
    conn:answer "bury 2 9"
    conn:drip "BURIED\r\n"
    conn:command()
    conn:close()
  end)

  it("come in two pieces, split anywhere", function()
    local reserved = fake.reserved(7, OK)
    for at = 1, #SETUP - 1 do
      local conn = server:accept()
      conn:lines(2)
      send_split(conn, SETUP, at)
      conn:command()
      send_split(conn, reserved, at % #reserved)
      conn:answer "delete 7"
      send_split(conn, "DELETED\r\n", at % 9)
      conn:command()
      conn:close()
    end
  end)

  it("come many in one piece", function()
    local conn = server:accept()
    assert.equal("watch default|stats", conn:chunk())
    conn:send(SETUP)
    conn:give(1, OK)
    assert.equal("delete 1|reserve-with-timeout 0|reserve-with-timeout 0", conn:chunk())
    conn:send("DELETED\r\n" .. fake.reserved(2, OK) .. fake.reserved(3, OK))
    assert.equal("delete 2", conn:command())
    conn:send "DELETED\r\n"
    assert.equal("delete 3", conn:command())
    conn:send "DELETED\r\n"
    conn:close()
  end)

  it("that nobody asked for close the connection", function()
    local conn = server:accept()
    conn:serve_setup()
    conn:command()
    conn:send "TIMED_OUT\r\nTIMED_OUT\r\n"
    conn:expect_closed()
    w:log "a reply that nobody asked for; next try in"
  end)

  it("leave the worker in good order", function()
    ends_well(w)
  end)
end)

local GARBAGE = {
  ["what is no reply"] = "HTTP/1.1 400 Bad Request\r\n\r\n",
  ["an empty line"] = "\r\n",
  ["LF alone"] = "DELETED\n",
  ["bytes"] = "\0\255\0\n",
  ["a line without end"] = ("x"):rep(100000),
  ["RESERVED without numbers"] = "RESERVED\r\n",
  ["RESERVED with a huge size"] = "RESERVED 1 99999999999999999999\r\n",
  ["RESERVED with a big size"] = "RESERVED 1 4000000000\r\n",
  ["RESERVED with a negative size"] = "RESERVED 1 -1\r\n",
  ["a body that is longer than said"] = 'RESERVED 1 5\r\n{"job":"ok"}\r\n',
  ["a body without CR LF"] = 'RESERVED 1 12\r\n{"job":"ok"}XXRESERVED 2 0\r\n\r\n',
  ["UNKNOWN_COMMAND"] = "UNKNOWN_COMMAND\r\n",
  ["BAD_FORMAT"] = "BAD_FORMAT\r\n",
  ["EXPECTED_CRLF"] = "EXPECTED_CRLF\r\n",
  ["OUT_OF_MEMORY"] = "OUT_OF_MEMORY\r\n",
  ["INTERNAL_ERROR"] = "INTERNAL_ERROR\r\n",
  ["DRAINING"] = "DRAINING\r\n",
  ["the reply to something else"] = "TOUCHED\r\n",
}

-- Each brings a new connection to the point where it awaits a certain reply.
local STAGES = {
  watch = function(conn)
    conn:lines(2)
  end,
  stats = function(conn)
    conn:lines(2)
    conn:send "WATCHING 1\r\n"
  end,
  reserve = function(conn)
    conn:serve_setup()
    conn:command()
  end,
  ["reserve of a holder"] = function(conn)
    conn:serve_setup()
    conn:give(1, OK)
    assert.equal("delete 1|reserve-with-timeout 0", conn:lines(2))
    conn:send "DELETED\r\n"
  end,
  delete = function(conn)
    conn:serve_setup()
    conn:give(1, OK)
    conn:answer "delete 1"
  end,
  ["stats-job"] = function(conn)
    conn:serve_setup()
    conn:give(1, BAD)
    conn:answer "stats-job 1"
  end,
  bury = function(conn)
    conn:serve_setup()
    conn:give(1, BAD)
    conn:answer("stats-job 1", fake.stats_job())
    conn:answer "bury 1 1024"
  end,
  release = function(conn)
    conn:serve_setup()
    conn:give(1, AGAIN)
    conn:answer("stats-job 1", fake.stats_job())
    conn:answer "release 1 1024 7"
  end,
}

-- What a server that is in step may say to a verb: the connection stays.
local REFUSALS = { OUT_OF_MEMORY = true, INTERNAL_ERROR = true }
local VERBS = { delete = true, bury = true, release = true }

-- A job is lost or its end unknown, and the server has done some work.
local WORKING = {
  delete = true, bury = true, release = true, ["stats-job"] = true,
}

for stage, reach in pairs(STAGES) do
  describe("instead of the reply to " .. stage, function()
    local server, w = scripted.start()

    -- A connection that does some work: the next failure is followed by a short delay again.
    local function work()
      local conn = server:accept()
      conn:serve_setup()
      conn:serve_job(5, OK)
      conn:command()
      conn:close()
    end

    for name, bytes in pairs(GARBAGE) do
      if not (VERBS[stage] and REFUSALS[name]) then
        it(name .. " closes the connection, and another one works", function()
          local conn = server:accept()
          reach(conn)
          local mark = w:mark()
          pcall(conn.send, conn, bytes)
          conn:expect_closed()
          if WORKING[stage] then
            w:log("job 1[ :]", 10, mark)
          else
            w:log("no beanstalkd at [^\n]*; next try in", 10, mark)
            work()
          end
        end)
      end
    end

    it("all that leaves the worker in good order", function()
      work()
      ends_well(w)
    end)
  end)
end
