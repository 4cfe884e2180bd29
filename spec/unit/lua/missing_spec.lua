package.path = "runtime/lua/?.lua;" .. package.path
local missing = require "lunastalk.missing"

describe("lunastalk.missing", function()
  local searcher = missing.searcher(function(name) return name == "mony" and "money" or nil end, "jobs")

  for name, hint in pairs {
    redis = "it may be in the Debian package lua-redis",
    ["socket.http"] = "package lua-socket",
    ltn12 = "package lua-socket",
    ssl = "package lua-sec",
    lfs = "package lua-filesystem",
    ["pl.List"] = "package lua-penlight",
    ["posix.sys.stat"] = "package lua-posix",
    lyaml = "package lua-yaml",
    DBI = "package lua-dbi-postgresql, lua-dbi-mysql or lua-dbi-sqlite3",
    ["dbd.PostgreSQL"] = "package lua-dbi-postgresql",
    ["luasql.mysql"] = "package lua-sql-mysql",
    luasql = "package lua-sql-postgres, lua-sql-mysql or lua-sql-sqlite3",
    mony = "did you mean 'money', from jobs/lib?",
    stripe = "perhaps: luarocks --lua-version 5.1 install stripe",
    ["stripe.charge"] = "install stripe",
    ["resty.http_headers"] = "install lua-resty-http-headers",
  } do
    it("has a hint for " .. name, function()
      local text = searcher(name)
      assert.equal("\n\t" .. hint, text:sub(1, 2) .. text:sub(-#hint))
    end)
  end

  it("has none for what is no name", function()
    assert.equal("", searcher "a; rm")
    assert.equal("", searcher "")
  end)
end)
