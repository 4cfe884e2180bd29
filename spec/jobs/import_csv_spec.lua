-- Tests a job that puts others: drain runs these too. For a million of them a fake that counts stands for a module, and
-- the spec watches the memory.
local json = require "lunastalk.json"
local process = require "spec.support.process"
local temp = require "spec.support.temp"
local testing = require "lunastalk.testing"

-- Imports this text, as a job for `noop`; the result and the name of the file.
local function import(text, more)
  local data = { file = temp.write(temp.dir() .. "/it's; people.csv", text), job = "noop" }
  for key, value in pairs(more or {}) do
    data[key] = value
  end
  return testing.perform("import_csv", data), data.file
end

-- The rows of all jobs that were put.
local function rows()
  local all = {}
  for _, put in ipairs(testing.puts()) do
    for _, row in ipairs(put.data.rows) do
      table.insert(all, row)
    end
  end
  return all
end

local function write_lines(path, count)
  local file = assert(io.open(path, "w"))
  file:write "id,name,note\n"
  for n = 1, count do
    file:write(n, ",Ada Lovelace,", n % 10 == 0 and '"a ""quoted"" note,\nof two lines"\n' or "a plain note\n")
  end
  file:close()
end

describe("jobs/import_csv.lua", function()
  it("puts a job for each row, which all run", function()
    local result = import("name,age\nAda,36\nBob,\n", { tube = "people" })
    assert.succeeded()
    assert.put { job = "noop", tube = "people", data = { line = 2, rows = { { name = "Ada", age = "36" } } } }
    assert.put { job = "noop", tube = "people", data = { line = 3, rows = { { name = "Bob", age = "" } } } }
    assert.equal(testing.puts()[1].data.import, testing.puts()[2].data.import)
    assert.logged("info", "2 jobs for noop were put")
    assert.same({ put = 21, of = 21 }, result.progress[1])
    assert.equal(1, result.touches)
    local ran = testing.drain()
    assert.equal(2, #ran)
    for _, each in ipairs(ran) do
      assert.succeeded(each)
    end
  end)

  it("gives a job as many rows as it is told", function()
    import("n\n1\n2\n3\n4\n5\n", { batch = 2, tube = json.null })
    assert.same({ 2, 2, 1 }, { #testing.puts()[1].data.rows, #testing.puts()[2].data.rows,
      #testing.puts()[3].data.rows })
    assert.put { tube = "default", data = { line = 4, rows = { { n = "3" }, { n = "4" } } } }
  end)

  it("reads what RFC 4180 writes, and what Excel does", function()
    import '\239\187\191name,"said, ""once"""\r\n"Ada","two\r\nlines"\r\n\r\n"",é\r\n" x ""y"" ",","'
    assert.succeeded()
    assert.same({
      { name = "Ada", ['said, "once"'] = "two\r\nlines" },
      { name = "", ['said, "once"'] = "é" },
      { name = ' x "y" ', ['said, "once"'] = "," },
    }, rows())
    assert.equal(6, testing.puts()[3].data.line)
  end)

  for text, reason in pairs {
    [""] = "there is nothing in it",
    ["a,b\n1,2\n\n1\n"] = "line 4: 1 fields, but 2 columns",
    ["a,b\n1,2,3\n"] = "line 2: 3 fields, but 2 columns",
    ["a,b\n1,2\n3,\"4\n5,6\n"] = "line 3: a quote is not closed",
    ['a,b\n"1"2,"3"\n'] = "line 2: a quote in the middle of a field",
    ["a,b\n\"" .. ("x\n"):rep(600000)] = "line 2: a row of more than 1 MB",
    ["a,b\n" .. ("x"):rep(1200000)] = "line 2: a row of more than 1 MB",
    ["a,a\n"] = "line 1: two columns are called a",
    ["a,,b\n"] = "line 1: column 2 has no name",
    ["a\nGr\252n\n"] = "line 2: it is not UTF-8",
  } do
    it(("buries what is no table, and puts nothing: %q"):format(text:sub(1, 20)), function()
      import(text)
      assert.buried(reason)
      assert.same({}, testing.puts())
    end)
  end

  it("says what is wrong with the data", function()
    for reason, data in pairs {
      ["data.file: "] = { file = 7, job = "noop" },
      ["data.job: "] = { file = "x.csv", job = "../noop" },
      ["data.tube: "] = { file = "x.csv", job = "noop", tube = {} },
      ["data.batch: "] = { file = "x.csv", job = "noop", batch = 1.5 },
    } do
      testing.perform("import_csv", data)
      assert.buried(reason)
    end
    testing.perform("import_csv", { file = "missing.csv", job = "noop" })
    assert.retried(10)
    assert.failed "missing.csv: "
  end)

  it("unpacks what gzip has packed, into a directory that goes with the job", function()
    local path = temp.dir() .. "/packed.csv"
    write_lines(path, 20)
    assert.equal(0, (process.run { "gzip", path }))
    testing.perform("import_csv", { file = path .. ".gz", job = "noop" })
    assert.succeeded()
    assert.equal(20, #rows())
    temp.write(path .. ".gz", "no gzip")
    testing.perform("import_csv", { file = path .. ".gz", job = "noop" })
    assert.failed "packed.csv.gz: "
  end)

  it("does nothing in a second run, and begins anew when the file is another", function()
    local _, path = import "n\n1\n2\n"
    testing.perform("import_csv", { file = path, job = "noop" })
    assert.succeeded()
    assert.equal(2, #testing.puts())
    testing.perform("import_csv", { file = path, job = "process_image" })
    assert.equal(4, #testing.puts())
    temp.write(path, "n\n1\n2\n3\n")
    testing.perform("import_csv", { file = path, job = "noop" })
    assert.equal(7, #testing.puts())
  end)

  it("goes on behind the last 1000 that were put, when a run was cut short", function()
    local path = temp.dir() .. "/long.csv"
    write_lines(path, 2200)
    local queue, calls = require "lunastalk.queue", 0
    local put_many = queue.put_many
    stub(queue, "put_many", function(list)
      calls = calls + 1
      if calls == 2 then return nil, "job 1 of 1000: draining", "DRAINING", {}, 0 end
      return put_many(list)
    end)
    testing.perform("import_csv", { file = path, job = "noop" })
    assert.failed "long.csv, from line 1102 on: job 1 of 1000: draining"
    testing.perform("import_csv", { file = path, job = "noop" }, { attempt = 2 })
    queue.put_many:revert()
    assert.succeeded()
    for n, row in ipairs(rows()) do
      assert.equal(tostring(n), row.id)
    end
    assert.equal(2200, #rows())
  end)

  it("buries what is too big for a job, with its line", function()
    import("n\n1\n" .. ("x"):rep(70000) .. "\n")
    assert.buried "from line 2 on: job 2 of 2: "
  end)

  it("needs as much memory for a million lines as for a few", function()
    local path, count, most = temp.dir() .. "/million.csv", 0, 0
    write_lines(path, 1000000)
    package.loaded["lunastalk.queue"] = {
      put_many = function(list)
        count, most = count + #list, math.max(most, collectgarbage "count")
        return list
      end,
    }
    collectgarbage()
    local before = collectgarbage "count"
    testing.perform("import_csv", { file = path, job = "noop" })
    package.loaded["lunastalk.queue"] = nil
    assert.succeeded()
    assert.equal(1000000, count)
    assert.is_true(most - before < 10 * 1024, most - before)
  end)
end)
