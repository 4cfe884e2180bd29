-- jobs/lib/tls.lua: TLS over a connected socket, by lua-sec (apt-get install lua-sec).

local tls = {}

local OPTIONS = {
  mode = "client",
  protocol = "any",
  options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
  verify = "peer",
}
local SYSTEM = "/etc/ssl/certs" -- whom Debian trusts
local ALTERNATIVE_NAMES = "2.5.29.17"

local function options_with(ca_file)
  local all = { cafile = ca_file, capath = not ca_file and SYSTEM or nil }
  for key, value in pairs(OPTIONS) do
    all[key] = value
  end
  return all
end

-- Whether a certificate for that name is one for the host: "*.example.com" stands for one more label.
function tls.is_named(name, host)
  name, host = name:lower(), host:lower()
  local parent = name:match("^%*(%..+%..+)$")
  return name == host or parent ~= nil and host:match("^[^.]+(%..+)$") == parent
end

-- lua-sec looks whether a certificate is good, not whose it is.
local function belongs(certificate, host)
  local names = certificate:extensions()[ALTERNATIVE_NAMES] or {}
  for _, kind in ipairs { "dNSName", "iPAddress" } do
    for _, name in ipairs(names[kind] or {}) do
      if tls.is_named(name, host) then return true end
    end
  end
  return false
end

-- The socket to go on with; or nil and a message. `ca_file`: of the authority to trust instead of the system's.
function tls.wrap(socket, host, timeout, ca_file)
  local found, ssl = pcall(require, "ssl")
  if not found then return nil, "https needs lua-sec, which is not installed" end
  local secure, problem = ssl.wrap(socket, options_with(ca_file))
  if not secure then return nil, problem end
  secure:settimeout(timeout)
  if not host:find("^[%d.]+$") and not host:find(":", 1, true) then secure:sni(host) end
  local fine
  fine, problem = secure:dohandshake()
  if fine and not belongs(secure:getpeercertificate(), host) then
    fine, problem = nil, "the certificate is not for " .. host
  end
  if fine then return secure end
  secure:close()
  return nil, "TLS: " .. problem
end

return tls
