-- jobs/http_request.lua: calls a webhook or an API.
--
--   data      url · method: POST if there is a body, else GET · headers: an object · body: a text, or anything else,
--             which is sent as JSON
--   settings  http: { timeout: for each step (10 seconds), ca_file: of the authority to trust instead of the system's }
--
-- A status of 2xx is success. No answer, or one that may be another next time (408, 425, 429, 500, 502, 503, 504), is
-- tried again; any other is buried at once. Redirects are not followed. Whoever may put this job may call whatever this
-- machine can reach.
--
-- A second run sends the request again, with the same Idempotency-Key, by which the receiver can know it.

local hash = require "hash"
local json = require "lunastalk.json"
local log = require "lunastalk.log"
local web = require "web"

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true }
local AGAIN = { [408] = true, [425] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true }
local OURS = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, host = true }
local SHOWN = 200 -- bytes of an answer, in the reason

local function given(value)
  if value ~= json.null then return value end
end

-- With names in lower case; or nil and what is wrong.
local function read_headers(list)
  if type(list) ~= "table" then return nil, "data.headers: not an object" end
  local headers = {}
  for name, value in pairs(list) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") or OURS[name:lower()] then
      return nil, "data.headers: none may be called " .. tostring(name)
    end
    if type(value) ~= "string" or value:find("%c") then return nil, "data.headers: not a text of one line: " .. name end
    headers[name:lower()] = value
  end
  return headers
end

-- What web.request takes; or nil and what is wrong with the data.
local function compose(job)
  local data, problem = job.data, web.check(job.data.url)
  if problem then return nil, "data.url: " .. problem end
  local body = given(data.body)
  local method = given(data.method) or (body ~= nil and "POST" or "GET")
  if not METHODS[method] then return nil, "data.method: not GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS" end
  local headers, wrong = read_headers(given(data.headers) or {})
  if not headers then return nil, wrong end
  if body ~= nil and type(body) ~= "string" then
    body = json.encode(body)
    headers["content-type"] = headers["content-type"] or "application/json"
  end
  -- The id of a job comes again when a beanstalkd without binlog restarts, so the content is part of it.
  headers["idempotency-key"] = headers["idempotency-key"]
    or ("%s-%s-%s"):format(job.server:gsub("[^%w.]", "-"), job.id, hash(data.url .. "\n" .. (body or "")))
  return { method = method, url = data.url, headers = headers, body = body }
end

return {
  timeout = 60, -- for a server that answers drop by drop
  retry = { max = 5, delay = 10 },
  process = function(job)
    local request, problem = compose(job)
    if not request then job:bury(problem) end
    local answer, why = web.request(request)
    local place = ("%s %s"):format(request.method, request.url:match("^[^?#]*")) -- a query may hold a password
    if not answer then return false, ("%s: %s"):format(place, why) end
    if answer.status >= 200 and answer.status < 300 then
      log.info("{place}: {status}", { place = place, status = answer.status })
      return true
    end
    local reason = ("%s: %d %s"):format(place, answer.status,
      answer.status < 400 and answer.headers.location or answer.body:sub(1, SHOWN)):gsub("%s+$", "")
    if AGAIN[answer.status] then return false, reason end
    job:bury(reason)
  end,
}
