-- jobs/import_csv.lua: puts a job for each row of a CSV file, of millions of them too.
--
--   data   file: its name; packed by gzip if that ends in .gz · job: the handler of the rows · tube: of their jobs
--          batch: how many rows a job gets (1)
--
-- The first row names the columns. A job gets { "import": "3f2a…", "line": 2, "rows": [ { "name": "Ada", … } ] }; all
-- values are texts. The whole file is checked before the first is put. Do not change it meanwhile.
--
-- Where to go on is written to FILE.JOB.imported after each 1000 jobs. A second run goes on there, and does nothing
-- once all are put, also for another job that imports the same file (remove FILE.JOB.imported if you want it again).
-- When a run is cut short, its last 1000 may come again, with the same `import` (the file's content) and `line`. By
-- these a handler knows them: job:once(data.import .. ":" .. data.line), or a unique key of a table.

local csv = require "csv"
local json = require "lunastalk.json"
local log = require "lunastalk.log"
local queue = require "lunastalk.queue"
local shell = require "shell"

local JOBS = 1000 -- that are put at a time
local ROWS = 5000 -- that are checked at a time
local BATCH_MOST = 1000

local function given(value)
  if value ~= json.null then return value end
end

local function is_batch(value)
  return value == nil or type(value) == "number" and value >= 1 and value <= BATCH_MOST and value % 1 == 0
end

local function check(data)
  if type(data.file) ~= "string" or data.file == "" or data.file:find("%z") then return "data.file: not a file name" end
  if type(data.job) ~= "string" or not data.job:find("^[a-z0-9_.]+$") then return "data.job: not a handler's name" end
  if given(data.tube) and type(data.tube) ~= "string" then return "data.tube: not a tube's name" end
  if not is_batch(given(data.batch)) then return "data.batch: not a whole number from 1 to " .. BATCH_MOST end
end

-- What a program wrote, or nil and why it failed.
local function run_program(line)
  local status, said = shell.run(line)
  if status == 0 then return said end
  return nil, said
end

-- What this run is about; nil and a message when its file cannot be read. `import` is the same for the same content,
-- whatever the file is called.
local function open(job)
  local name, plain = job.data.file, nil
  if name:find("%.gz$") then
    plain = job:tempdir() .. "/rows.csv"
    local unpacked, problem = run_program(("gzip -dc <%s >%s"):format(shell.quote(name), shell.quote(plain)))
    if not unpacked then return nil, problem end
  end
  local sum, problem = run_program("sha256sum <" .. shell.quote(plain or name))
  if not sum then return nil, problem end
  local file = assert(io.open(plain or name, "rb"))
  return {
    job = job, data = job.data, file = file, size = file:seek("end"), import = sum:sub(1, 16),
    mark = ("%s.%s.imported"):format(name, job.data.job),
  }
end

local function alive(run, what, bytes)
  run.job:touch()
  run.job:progress { [what] = bytes, of = run.size }
end

local function check_columns(columns)
  local seen = {}
  for i, column in ipairs(columns) do
    if column == "" or column:find("%c") then return ("column %d has no name"):format(i) end
    if seen[column] then return "two columns are called " .. column end
    seen[column] = true
  end
end

local function check_row(rows, fields, columns)
  if #fields ~= #columns then return ("%d fields, but %d columns"):format(#fields, #columns) end
  if not rows.ascii and not pcall(json.encode, fields) then return "it is not UTF-8" end
end

-- Reads all of it once; the columns' names and where the rows begin, or nil and what is wrong, with its line.
local function check_file(run)
  local rows, checked = csv.open(run.file), 0
  local columns, problem = rows:next()
  if not columns then return nil, problem or "there is nothing in it" end
  problem = check_row(rows, columns, columns) or check_columns(columns)
  local first = { offset = rows.offset, line = rows.lines + 1 }
  while not problem do
    local fields, wrong = rows:next()
    if not fields and not wrong then return columns, first end
    problem = wrong or check_row(rows, fields, columns)
    checked = checked + 1
    if checked % ROWS == 0 then alive(run, "checked", rows.offset) end
  end
  return nil, ("line %d: %s"):format(rows.line, problem)
end

local function save(run, place)
  local file = assert(io.open(run.mark .. ".part", "w"))
  assert(file:write(("%s %.0f %.0f\n"):format(run.import, place.offset, place.line)))
  assert(file:close())
  assert(os.rename(run.mark .. ".part", run.mark))
end

-- Where an earlier run of the same import came to.
local function saved(run)
  local file = io.open(run.mark)
  if not file then return nil end
  local import, offset, line = file:read("*a"):match("^(%x+) (%d+) (%d+)\n$")
  file:close()
  if import == run.import then return { offset = tonumber(offset), line = tonumber(line) } end
end

local function name_fields(columns, fields)
  local row = {}
  for i, column in ipairs(columns) do
    row[column] = fields[i]
  end
  return row
end

-- The next jobs, up to JOBS of them; an empty list at the end.
local function read_jobs(run, rows)
  local list, batch = {}, given(run.data.batch) or 1
  while #list < JOBS or #list[JOBS].data.rows < batch do
    local fields, problem = rows:next()
    assert(not problem, problem)
    if not fields then break end
    local last = list[#list]
    if not last or #last.data.rows == batch then
      local data = { import = run.import, line = rows.line, rows = {} }
      last = { job = run.data.job, tube = given(run.data.tube), data = data }
      list[#list + 1] = last
    end
    table.insert(last.data.rows, name_fields(run.columns, fields))
  end
  return list
end

-- How many jobs were put; nil and a message when the queue did not take one.
local function put_rows(run, place)
  local rows, count = csv.open(run.file, place.offset, place.line), 0
  save(run, place) -- before anything is put: whoever cannot write it finds out now
  local list = read_jobs(run, rows)
  while #list > 0 do
    local ids, message, code = queue.put_many(list)
    if not ids then
      message = ("%s, from line %d on: %s"):format(run.data.file, list[1].data.line, message)
      if code == "JOB_TOO_BIG" then run.job:bury(message) end
      return nil, message
    end
    count = count + #list
    save(run, { offset = rows.offset, line = rows.lines + 1 })
    alive(run, "put", rows.offset)
    list = read_jobs(run, rows)
  end
  return count
end

return {
  timeout = 300, -- seconds to unpack the file, or for the next jobs
  retry = { max = 5, delay = 10 }, -- a queue that takes no more now may do so later
  process = function(job)
    local data = job.data
    local problem = check(data)
    if problem then job:bury(problem) end
    local run, unreadable = open(job)
    if not run then return false, ("%s: %s"):format(data.file, unreadable) end
    local columns, first = check_file(run)
    if not columns then job:bury(("%s: %s"):format(data.file, first)) end -- it will not be better next time
    run.columns = columns
    local count, why = put_rows(run, saved(run) or first)
    run.file:close()
    if not count then return false, why end
    log.info("{file}: {count} jobs for {job} were put", { file = data.file, count = count, job = data.job })
  end,
}
