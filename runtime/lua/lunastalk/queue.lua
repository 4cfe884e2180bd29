--- Follow-up jobs.
local host = require "lunastalk.host"
local json = require "lunastalk.json"
local rules = require "lunastalk.rules"

local error, format, next, pcall, type = error, string.format, next, pcall, type
local encode, of_put, problem, put = json.encode, rules.of_put, rules.problem, host.put

local LARGEST = 32 * 1024 * 1024 -- bytes of a body: well below WIRE_LARGEST of executor/wire.h
local BATCH, BYTES = 100, 512 * 1024 -- jobs and bytes of bodies that are on their way at a time

local queue = {}

-- What host.put takes of a job: tube, priority, delay, ttr, body; or nil and what is wrong.
local function read(options)
  if type(options) ~= "table" or options.job == nil then
    return nil, 'a job is a table with the name of its handler: { job = "send_email" }'
  end
  local wrong = problem(options, of_put, "")
  if wrong then
    return nil, wrong
  end
  local fine, body = pcall(encode, {
    job = options.job, data = options.data, id = options.id, success = options.success, error = options.error,
    retry = options.retry, timeout = options.timeout,
  })
  if not fine then
    return nil, body
  end
  return { options.tube or "default", options.priority or 1024, options.delay or 0, options.ttr or 60, body }
end

local function too_big(fields)
  if #fields[5] > LARGEST then
    return format("a body of %d bytes is too big", #fields[5])
  end
end

---@class lunastalk.Put What queue.put() takes
---@field job string the handler's name
---@field data? any anything JSON can hold: `{}`
---@field tube? string `default`
---@field priority? integer 0 is the most urgent, 4294967295 the least: 1024
---@field delay? integer seconds before it becomes ready: 0
---@field ttr? integer time to run, in seconds: 60
---@field id? string the producer's own id
---@field success? { callback: string|string[] }
---@field error? { callback: string|string[], bury: boolean }
---@field retry? { max: integer, delay: integer }
---@field timeout? integer seconds

--- Puts a job.
---
---     local id, message = queue.put { job = "send_email", data = { to = "…" }, delay = 60 }
---
--- Wrong options raise an error. A queue that does not take the job is none: then nil, a message and a code are
--- returned. `JOB_TOO_BIG`: it has more than the server's max-job-size, and was not sent. `DRAINING`, `OUT_OF_MEMORY`:
--- the server takes none now. `NOT_CONNECTED`: not sent. `UNKNOWN`: the connection went before the answer, so the job
--- may have been put.
---@param options lunastalk.Put
---@return string? id of the job
---@return string? message
---@return string? code
function queue.put(options)
  local fields, wrong = read(options)
  if not fields then
    error("queue.put: " .. wrong, 2)
  end
  local message = too_big(fields)
  if message then
    return nil, message, "JOB_TOO_BIG"
  end
  local ids, problems = put(fields)
  local refusal = problems[1]
  if refusal then
    return nil, refusal[1], refusal[2]
  end
  return ids[1]
end

-- What host.put takes of all jobs of the list; or nil and why one can be put nowhere.
local function read_list(list)
  if type(list) ~= "table" or list.job ~= nil then
    error('queue.put_many takes a list: { { job = "send_email" }, … }', 3)
  end
  local count, jobs = 0, {}
  for _ in next, list do
    count = count + 1
  end
  for place = 1, count do
    local fields, wrong = read(list[place])
    if not fields then
      error(format("queue.put_many: job %d of %d: %s", place, count, wrong), 3)
    end
    local message = too_big(fields)
    if message then
      return nil, format("job %d of %d: %s", place, count, message)
    end
    jobs[place] = fields
  end
  return jobs
end

-- The fields of the next jobs, up to BATCH or BYTES of them, in one list; and the place of the last.
local function batch(jobs, place)
  local fields, size = {}, 0
  repeat
    for i = 1, 5 do
      fields[#fields + 1] = jobs[place][i]
    end
    size = size + #jobs[place][5]
    place = place + 1
  until #fields == 5 * BATCH or size >= BYTES or not jobs[place]
  return fields, place - 1
end

-- The place of the problem to report: the first, but that something is not known is said before all.
local function worst(problems, count)
  local first
  for place = 1, count do
    local refusal = problems[place]
    if refusal and refusal[2] == "UNKNOWN" then
      return place
    end
    first = first or refusal and place
  end
  return first
end

--- Puts many jobs, in the order of the list: much faster than one after the other, since they do not wait for each
--- other's answers.
---
---     local ids, message, code, put, count = queue.put_many { { job = "import_row", data = row }, … }
---
--- All of them are checked before the first is sent, and a wrong option in any raises an error that has its number.
--- When the queue does not take one, nothing more is sent: then nil, a message with its number and a code are returned,
--- as by `queue.put`; and which were put nevertheless, also some behind it in the list: their ids under their numbers,
--- and how many they are. When the code is `UNKNOWN`, others of the list may have been put too.
---@param list lunastalk.Put[]
---@return string[]? ids in the order of the list
---@return string? message
---@return string? code
---@return table<integer, string>? put
---@return integer? count
function queue.put_many(list)
  local jobs, message = read_list(list)
  if not jobs then
    return nil, message, "JOB_TOO_BIG", {}, 0
  end
  local ids, count, place = {}, 0, 0
  while place < #jobs do
    local fields, last = batch(jobs, place + 1)
    local got, problems = put(fields)
    for i, id in next, got do
      ids[place + i], count = id, count + 1
    end
    local first = worst(problems, last - place)
    if first then
      local refusal = problems[first]
      return nil, format("job %d of %d: %s", place + first, #jobs, refusal[1]), refusal[2], ids, count
    end
    place = last
  end
  return ids
end

return queue
