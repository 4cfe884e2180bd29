-- Tests against a small server that does what a spec wants: answers slowly, wrongly, without end, or not at all.
local http_server = require "spec.support.http_server"
local json = require "lunastalk.json"
local process = require "spec.support.process"
local settings = require "lunastalk.settings"
local temp = require "spec.support.temp"
local testing = require "lunastalk.testing"
local tls = require "tls"

local server = http_server.start()

-- A server that speaks TLS, with a certificate for localhost of nobody's making; its URL and the certificate's file.
local function start_tls()
  local dir = temp.dir()
  local code, _, problem = process.run {
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
    "-keyout", dir .. "/key", "-out", dir .. "/certificate",
  }
  assert(code == 0, problem)
  local openssl = process.spawn {
    "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", dir .. "/certificate", "-key", dir .. "/key", "-www",
  }
  return "https://%s:" .. openssl:expect "ACCEPT 127%.0%.0%.1:(%d+)" .. "/", dir .. "/certificate"
end

local function call(path, more)
  local data = { url = server:url(path) }
  for key, value in pairs(more or {}) do
    data[key] = value
  end
  return testing.perform("http_request", data, { id = "7" })
end

describe("jobs/http_request.lua", function()
  before_each(function()
    settings.http = { timeout = 10, ca_file = json.null }
  end)

  it("gets", function()
    call("/status/204?token=secret", { headers = { Accept = "text/csv" } })
    assert.succeeded()
    assert.logged("info", "/status/204: 204")
    assert.not_logged("info", "secret")
    local request = server:expect "/status/204?token=secret"
    assert.equal("GET", request.method)
    assert.equal("text/csv", request.headers.accept)
    assert.equal("127.0.0.1:" .. server.port, request.headers.host)
    assert.is_nil(request.headers["content-length"])
  end)

  it("posts JSON, and any text as it is", function()
    call("/status/200?json", { body = { order = 7, paid = true } })
    assert.succeeded()
    local request = server:expect "/status/200?json"
    assert.equal("POST", request.method)
    assert.equal("application/json", request.headers["content-type"])
    assert.same({ order = 7, paid = true }, json.decode(request.body))
    call("/status/201?text", { method = "PUT", body = "a\0b\r\n", headers = { ["Content-Type"] = "text/x" } })
    assert.succeeded()
    request = server:expect "/status/201?text"
    assert.same({ "PUT", "a\0b\r\n", "text/x" }, { request.method, request.body, request.headers["content-type"] })
    call("/status/200?empty", { method = "POST", body = json.null, headers = json.null })
    assert.equal("0", server:expect("/status/200?empty").headers["content-length"])
  end)

  it("sends a second run's request with the same key, and no other with that one", function()
    local function key(path, count, more)
      call(path, more)
      return server:expect(path, count).headers["idempotency-key"]
    end
    local first = key("/status/200?key", 1, { body = "one" })
    assert.matches("^testing%-7%-%x+$", first)
    assert.equal(first, key("/status/200?key", 2, { body = "one" }))
    assert.not_equal(first, key("/status/200?key", 3, { body = "two" })) -- the id comes again when beanstalkd restarts
    assert.equal("mine", key("/status/200?key", 4, { headers = { ["Idempotency-Key"] = "mine" } }))
  end)

  for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504 } do
    it(("tries again after %d"):format(status), function()
      call("/status/" .. status)
      assert.retried(10)
      assert.failed(("GET %s: %d"):format(server:url("/status/" .. status), status))
    end)
  end

  for _, status in ipairs { 304, 400, 401, 403, 404, 409, 410, 413, 422, 501, 505 } do
    it(("buries at once after %d"):format(status), function()
      call("/status/" .. status)
      assert.buried(("GET %s: %d"):format(server:url("/status/" .. status), status))
    end)
  end

  it("succeeds at last", function()
    call("/then/503/200")
    assert.retried(10)
    call("/then/503/200")
    assert.succeeded()
  end)

  it("does not follow a redirect", function()
    call "/redirect"
    assert.buried "302 http://169.254.169.254/latest/"
  end)

  it("reads the beginning of an answer only", function()
    for _, path in ipairs { "/big/70000", "/big/5", "/endless" } do
      call(path)
      assert.succeeded()
    end
    call "/headers"
    assert.failed "too long"
  end)

  it("tries again where there is no answer", function()
    settings.http.timeout = 0.3
    call "/hang"
    assert.retried(10)
    assert.failed "timeout"
    call "/close"
    assert.failed "closed"
    testing.perform("http_request", { url = "http://127.0.0.1:1/" })
    assert.failed "connection refused"
    testing.perform("http_request", { url = "http://nowhere.invalid/" })
    assert.retried(10)
  end)

  it("buries what is no request", function()
    for reason, data in pairs {
      ["data.url: not an http or https URL"] = { url = "file:///etc/passwd" },
      ["data.url: not"] = { url = "http://x.example/\r\nX: y" },
      ["data.url: "] = {},
      ["a URL with a password"] = { url = "http://ada:secret@x.example/" },
      ["data.method: "] = { url = "http://x.example/", method = "GET / HTTP/1.1\r\nX: y" },
      ["data.headers: not an object"] = { url = "http://x.example/", headers = "X: y" },
      ["data.headers: not a text of one line: X"] = { url = "http://x.example/", headers = { X = "y\r\nZ: z" } },
      ["data.headers: none may be called X: y"] = { url = "http://x.example/", headers = { ["X: y"] = "z" } },
      ["none may be called Content-Length"] = { url = "http://x.example/", headers = { ["Content-Length"] = "9" } },
    } do
      testing.perform("http_request", data)
      assert.buried(reason)
    end
  end)

  describe("with https", function()
    local url, certificate = start_tls()

    before_each(function()
      settings.http.timeout = 10
    end)

    it("trusts whom it is told to, for the host that it names", function()
      settings.http.ca_file = certificate
      testing.perform("http_request", { url = url:format "localhost" })
      assert.succeeded()
      testing.perform("http_request", { url = url:format "127.0.0.1" })
      assert.failed "the certificate is not for 127.0.0.1"
    end)

    it("does not trust anybody", function()
      testing.perform("http_request", { url = url:format "localhost" })
      assert.failed "certificate verify failed"
      assert.retried(10)
    end)

    it("knows what stands for a host", function()
      for _, pair in ipairs {
        { "example.com", "EXAMPLE.com", true }, { "*.example.com", "a.example.com", true },
        { "*.example.com", "example.com", false }, { "*.example.com", "a.b.example.com", false },
        { "*.com", "example.com", false }, { "*", "example", false }, { "a*.example.com", "ab.example.com", false },
        { "example.com", "a.example.com", false },
      } do
        assert.equal(pair[3], tls.is_named(pair[1], pair[2]), pair[1] .. " " .. pair[2])
      end
    end)

    it("says what it needs where lua-sec is missing", function()
      local ssl = package.loaded.ssl
      finally(function()
        package.loaded.ssl, package.preload.ssl = ssl, nil
      end)
      package.loaded.ssl = nil
      package.preload.ssl = function() error "not here" end
      testing.perform("http_request", { url = url:format "localhost" })
      assert.failed "https needs lua-sec"
    end)
  end)
end)
