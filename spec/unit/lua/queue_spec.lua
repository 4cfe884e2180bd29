package.path = "runtime/lua/?.lua;" .. package.path
local json = require "lunastalk.json"

describe("lunastalk.queue", function()
  local batches, queue, answer

  -- The bodies of a batch, and the jobs of all of them.
  local function puts()
    local jobs = {}
    for _, fields in ipairs(batches) do
      for first = 1, #fields, 5 do
        jobs[#jobs + 1] = { unpack(fields, first, first + 4) }
      end
    end
    return jobs
  end

  local function results(...)
    return { n = select("#", ...), ... }
  end

  before_each(function()
    batches = {}
    local before = 0
    function answer(fields) -- every job is put, with its number as id
      local ids = {}
      for i = 1, #fields / 5 do
        ids[i] = tostring(before + i)
      end
      before = before + #ids
      return ids, {}
    end
    package.loaded["lunastalk.host"] = {
      put = function(fields)
        batches[#batches + 1] = fields
        return answer(fields)
      end,
      suggest = function(word, names)
        return word == "buri" and names[1] or nil
      end,
    }
    package.loaded["lunastalk.queue"] = nil
    queue = require "lunastalk.queue"
  end)

  after_each(function()
    package.loaded["lunastalk.host"], package.loaded["lunastalk.queue"] = nil, nil
  end)

  it("puts with defaults", function()
    assert.same({ n = 1, "1" }, results(queue.put { job = "email.welcome" }))
    assert.same({ { "default", 1024, 0, 60, '{"job":"email.welcome"}' } }, puts())
  end)

  it("puts what it is told", function()
    queue.put { job = "x", data = { n = 2 ^ 53 }, tube = "a-b", priority = 0, delay = 5, ttr = 1, id = "A.1:_-",
      retry = { max = 3, delay = 10 }, timeout = 2, success = { callback = { "http://a", "https://b" } },
      error = { bury = false, callback = "https://c" } }
    local made = puts()[1]
    assert.same({ "a-b", 0, 5, 1 }, { unpack(made, 1, 4) })
    assert.same({ job = "x", data = { n = 2 ^ 53 }, id = "A.1:_-", retry = { max = 3, delay = 10 }, timeout = 2,
      success = { callback = { "http://a", "https://b" } }, error = { bury = false, callback = "https://c" } },
      json.decode(made[5]))
    assert.matches('"n":9007199254740992', made[5], 1, true)
  end)

  it("keeps what is an empty list", function()
    queue.put { job = "x", data = { a = json.empty_array, b = {}, c = { { json.empty_array } } } }
    queue.put { job = "x", data = json.empty_array }
    assert.equal('{"data":{"a":[],"b":{},"c":[[[]]]},"job":"x"}', puts()[1][5])
    assert.equal('{"data":[],"job":"x"}', puts()[2][5])
  end)

  it("returns what the queue says", function()
    function answer() return {}, { { "the server is draining", "DRAINING" } } end
    assert.same({ n = 3, nil, "the server is draining", "DRAINING" }, results(queue.put { job = "x" }))
    local id, message, code = queue.put { job = "x", data = ("x"):rep(33 * 1024 * 1024) }
    assert.is_nil(id)
    assert.matches("too big", message, 1, true)
    assert.equal("JOB_TOO_BIG", code)
  end)

  it("refuses misuse, naming the option", function()
    local eleven = {}
    for i = 1, 11 do
      eleven[i] = "http://a"
    end
    local function refuses(message, call, ...)
      local fine, why = pcall(function(...) return (call(...)) end, ...)
      assert.is_false(fine)
      assert.matches("^spec/unit/lua/queue_spec.lua:%d+: queue%.put", why)
      assert.matches(message, why, 1, true)
    end
    local wrong = {
      job = { "", "../x", "_x", "a._b", "a..b", ".a", "a.", "A", "a b", "lib.x", ("a"):rep(129), "a\0", 5, {} },
      tube = { "", "-a", "a b", "ä", ("a"):rep(201), 1 },
      priority = { -1, 2 ^ 32, 0.5, "1", 0 / 0 },
      delay = { -1, 2 ^ 32, 0.5 },
      ttr = { 0, 2 ^ 32, 1.5 },
      id = { "", "a b", ("a"):rep(129), 5 },
      timeout = { -1, "5", 0, 0.5, 2 ^ 31 },
      retry = { 5, { max = 1001 }, { max = 1.5 }, { delay = 86401 }, { delay = 1.5 }, { tries = 1 } },
      success = { "http://x", { callback = "ftp://x" }, { callback = { "http://x", 5 } },
        { callback = { a = "http://x" } }, { callback = "http://x y" }, { bury = true } },
      error = { { bury = 1 }, { callback = 5 }, { callback = eleven } },
      data = { print, { 1, nil, 3 }, "\255", 0 / 0 },
      dta = { {} },
    }
    for option, values in pairs(wrong) do
      for _, value in pairs(values) do
        local options = { job = "x" }
        options[option] = value
        local message = option == "data" and "JSON" or option
        refuses(message, queue.put, options)
        refuses("queue.put_many: job 2 of 3: ", queue.put_many, { { job = "x" }, options, { job = "x" } })
        refuses(message, queue.put_many, { options })
      end
    end
    refuses("no option error.buri; did you mean error.bury?", queue.put, { job = "x", error = { buri = true } })
    for _, none in ipairs { {}, 5, false } do
      refuses("a table with the name of its handler", queue.put, none)
      refuses("job 2 of 2: a job is a table with the name", queue.put_many, { { job = "x" }, none })
    end
    refuses("a table with the name of its handler", queue.put)
    refuses("job 2 of 2", queue.put_many, { { job = "x" }, [3] = { job = "x" } })
    refuses("takes a list", queue.put_many)
    refuses("takes a list", queue.put_many, { job = "x" })
    assert.same({}, puts())
  end)

  it("puts many, a batch at a time, and returns their ids in the order of the list", function()
    local list, ids = {}, {}
    for i = 1, 250 do
      list[i], ids[i] = { job = "x", data = i, priority = i, tube = "t" }, tostring(i)
    end
    assert.same({ n = 1, ids }, results(queue.put_many(list)))
    assert.same({ 500, 500, 250 }, { #batches[1], #batches[2], #batches[3] })
    local jobs = puts()
    assert.equal(250, #jobs)
    for i = 1, 250 do
      assert.same({ "t", i, 0, 60, ('{"data":%d,"job":"x"}'):format(i) }, jobs[i])
    end
  end)

  it("has few bytes on their way at a time", function()
    local list = {}
    for i = 1, 20 do
      list[i] = { job = "x", data = ("x"):rep(200000) }
    end
    assert.equal(20, #queue.put_many(list))
    for _, fields in ipairs(batches) do
      assert.is_true(#fields <= 15)
    end
  end)

  it("puts none of none", function()
    assert.same({ n = 1, {} }, results(queue.put_many {}))
    assert.same({}, batches)
  end)

  it("stops where one is refused, and says which were put", function()
    local list = {}
    for i = 1, 250 do
      list[i] = { job = "x" }
    end
    local all = answer
    function answer(fields)
      local ids, problems = all(fields)
      if #batches == 2 then
        ids[3], problems[3], ids[50], problems[50] = nil, { "full", "OUT_OF_MEMORY" }, nil, { "no", "DRAINING" }
      end
      return ids, problems
    end
    local id, message, code, ids, count = queue.put_many(list)
    assert.same({ "job 103 of 250: full", "OUT_OF_MEMORY", 198 }, { message, code, count })
    assert.is_nil(id)
    for i = 1, 250 do
      assert.equal(i <= 200 and i ~= 103 and i ~= 150 and tostring(i) or nil, ids[i])
    end
    assert.equal(2, #batches)
  end)

  it("says before all that it is not known which were put", function()
    function answer()
      return { "1" }, { [2] = { "no", "DRAINING" }, [3] = { "gone", "UNKNOWN" }, [4] = { "too", "UNKNOWN" } }
    end
    assert.same({ n = 5, nil, "job 3 of 4: gone", "UNKNOWN", { "1" }, 1 },
      results(queue.put_many { { job = "x" }, { job = "x" }, { job = "x" }, { job = "x" } }))
  end)

  it("puts none when one is larger than any server takes", function()
    assert.same({ n = 5, nil, "job 2 of 2: a body of 34603029 bytes is too big", "JOB_TOO_BIG", {}, 0 },
      results(queue.put_many { { job = "x" }, { job = "x", data = ("x"):rep(33 * 1024 * 1024) } }))
    assert.same({}, batches)
  end)
end)
