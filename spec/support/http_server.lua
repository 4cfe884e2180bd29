--- A small real HTTP server in a process of its own, which writes down every request. What it answers is in the path:
--- see spec/support/http_serve.lua.
local cjson = require "cjson"
local process = require "spec.support.process"
local temp = require "spec.support.temp"
local wait = require "spec.support.wait"

local http_server = {}
http_server.__index = http_server

--- Starts one on 127.0.0.1. Fields: port, process; see :url and :requests.
function http_server.start()
  local self = setmetatable({ record = temp.write(temp.dir() .. "/requests", "") }, http_server)
  self.process = process.spawn { "luajit", "spec/support/http_serve.lua", self.record }
  self.port = tonumber((self.process:expect "port (%d+)\n"))
  return self
end

function http_server:url(path, host)
  return ("http://%s:%d%s"):format(host or "127.0.0.1", self.port, path)
end

--- What has come so far, in order: { method, path, headers (names in lower case), body }. `path` selects.
function http_server:requests(path)
  local requests = {}
  for line in temp.read(self.record):gmatch "[^\n]+\n" do
    local request = cjson.decode(line)
    if not path or request.path == path then
      table.insert(requests, request)
    end
  end
  return requests
end

--- The request number `count` (the first) to `path`, as soon as it has come.
function http_server:expect(path, count, seconds)
  return wait.eventually(seconds or 10, function()
    return self:requests(path)[count or 1]
  end, function()
    return "a request to " .. path .. "; it got:\n" .. temp.read(self.record)
  end)
end

return http_server
