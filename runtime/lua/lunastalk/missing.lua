-- What to do about a module that require does not find: the last of package.loaders, whose text ends the error.
local find, format, gsub, match = string.find, string.format, string.gsub, string.match

-- Debian's packages, by the first part of a module's name.
local packages = {
  DBI = "lua-dbi-postgresql, lua-dbi-mysql or lua-dbi-sqlite3", argparse = "lua-argparse", basexx = "lua-basexx",
  bit32 = "lua-bit32", cjson = "lua-cjson", copas = "lua-copas", cqueues = "lua-cqueues", curses = "lua-curses",
  dkjson = "lua-dkjson", geoip = "lua-geoip", http = "lua-http", iconv = "lua-iconv", inifile = "lua-inifile",
  inotify = "lua-inotify", inspect = "lua-inspect", json = "lua-json", lcurl = "lua-curl", cURL = "lua-curl",
  ldap = "lua-ldap", lfs = "lua-filesystem", logging = "lua-logging", lpeg = "lua-lpeg", ltn12 = "lua-socket",
  luassert = "lua-luassert", luasql = "lua-sql-postgres, lua-sql-mysql or lua-sql-sqlite3", luv = "lua-luv",
  lxp = "lua-expat", lyaml = "lua-yaml", md5 = "lua-md5", mime = "lua-socket", openssl = "lua-luaossl",
  pl = "lua-penlight", posix = "lua-posix", re = "lua-lpeg", redis = "lua-redis", rex_pcre2 = "lua-rex-pcre2",
  say = "lua-say", socket = "lua-socket", ssl = "lua-sec", system = "lua-system", term = "lua-term", uri = "lua-uri",
  yaml = "lua-yaml", zip = "lua-zip", zlib = "lua-zlib",
}

-- dbd.PostgreSQL, luasql.mysql: the driver tells which.
local function package_of(name)
  local family, driver = match(name, "^(%a+)%.(%w+)$")
  if family == "luasql" then
    return "lua-sql-" .. driver
  elseif family == "dbd" then
    return "lua-dbi-" .. driver:lower()
  end
  return packages[match(name, "^[^.]*")]
end

local function rock_of(name)
  local resty = match(name, "^resty%.([%w_-]+)")
  return resty and "lua-resty-" .. gsub(resty, "_", "-") or match(name, "^[^.]*")
end

local missing = {}

--- Makes the searcher.
-- @tparam function closest name → the module below jobs/lib that is spelt most like it, or nil
-- @tparam string shown the jobs directory, for messages
function missing.searcher(closest, shown)
  return function(name)
    local package = package_of(name)
    if package then
      return format("\n\tit may be in the Debian package %s", package)
    end
    local similar = closest(name)
    if similar then
      return format("\n\tdid you mean '%s', from %s/lib?", similar, shown)
    elseif find(name, "^[%w_.-]+$") then
      return format("\n\tperhaps: luarocks --lua-version 5.1 install %s", rock_of(name))
    end
    return ""
  end
end

return missing
