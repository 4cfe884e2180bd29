--- scripts/install-packages with every tool that it calls replaced by a script that writes down how it was called.
local process = require "spec.support.process"
local temp = require "spec.support.temp"

local STUBS = {
  -- Everything is installed but what MISSING names.
  ["dpkg-query"] = [[shift 3; for p; do case " $MISSING " in *" $p "*) ;; *) echo "installed $p" ;; esac; done]],
  ["apt-cache"] = [[
    [ -e "$STATE/updated" ] || [ -z "$STALE" ] && echo "  Candidate: 1.0" || echo "  Candidate: (none)"
  ]],
  ["apt-get"] = [[
    echo "apt-get $*" >>"$STATE/calls"
    cp "$POLICY_RC_D" "$STATE/policy" 2>/dev/null
    ! cp "$CREATECLUSTER_CONF" "$STATE/clusters" 2>/dev/null || echo "the package's" >"$CREATECLUSTER_CONF.ucf-dist"
    [ "$1" != update ] || touch "$STATE/updated"
    [ "$1" != install ] || [ -z "$OUTDATED" ] || [ "$OUTDATED" = "until update" -a -e "$STATE/updated" ]
  ]],
  id = [[echo "$ID"]],
  sudo = [[echo "sudo $*" >>"$STATE/calls"; [ -n "$SUDO" ]  ]],
  dpkg = "",
  clang = [[case $1 in -print-runtime-dir) echo "${RUNTIME_DIR:-$STATE}" ;; -dumpversion) echo 15.0.7 ;; esac]],
  systemctl = "",
}

-- Runs it; the object has code, output, the list of calls, the policy file as apt-get saw it and as it is afterwards.
local function install(set, variables, policy, clusters)
  local dir = temp.dir()
  for name, text in pairs(STUBS) do
    temp.write(dir .. "/bin/" .. name, "#!/bin/sh\n" .. text .. "\n")
  end
  temp.write(dir .. "/calls", "")
  if policy then
    temp.write(dir .. "/policy-rc.d", policy)
  end
  if clusters then
    temp.write(dir .. "/etc/createcluster.conf", clusters)
  end
  assert(os.execute("chmod +x " .. dir .. "/bin/*"))
  local env = {
    PATH = dir .. "/bin:" .. os.getenv "PATH", STATE = dir, POLICY_RC_D = dir .. "/policy-rc.d",
    CREATECLUSTER_CONF = dir .. "/etc/createcluster.conf", ID = "0", MISSING = "",
    STALE = "", OUTDATED = "", SUDO = "",
  }
  for name, value in pairs(variables or {}) do
    env[name] = value
  end
  local run = {}
  run.code, run.output = process.run({ "scripts/install-packages", set }, { env = env })
  run.calls = temp.read(dir .. "/calls")
  local function content(name)
    local file = io.open(dir .. "/" .. name)
    return file and file:read "*a"
  end
  run.during, run.after, run.left = content "policy", content "policy-rc.d", content "policy-rc.d.before-lunastalk"
  run.clusters, run.clusters_after = content "clusters", content "etc/createcluster.conf"
  return run
end

local INSTALL = "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "

describe("scripts/install-packages", function()
  it("takes libFuzzer from the package of clang's release, where clang has it not itself", function()
    local variables = { MISSING = "libclang-rt-15-dev" }
    assert.equal(INSTALL .. "libclang-rt-15-dev\n", install("fuzz", variables).calls)
    variables.RUNTIME_DIR = temp.dir()
    temp.write(variables.RUNTIME_DIR .. "/libclang_rt.fuzzer-x86_64.a", "")
    assert.equal("", install("fuzz", variables).calls)
  end)

  it("does nothing where all is there, for every set", function()
    for _, set in ipairs { "build", "test", "demo", "bench", "fuzz" } do
      local run = install(set, { ID = "1000" })
      assert.same({ 0, "", "" }, { run.code, run.output, run.calls })
    end
  end)

  it("installs exactly what is missing", function()
    local run = install("test", { MISSING = "beanstalkd lua-check elsewhere" })
    assert.equal(0, run.code)
    assert.equal(INSTALL .. "beanstalkd lua-check\n", run.calls)
    assert.equal("", install("build", { MISSING = "beanstalkd" }).calls)
  end)

  it("forbids services while it installs, and only then", function()
    local run = install("bench", { MISSING = "beanstalkd" })
    assert.matches("exit 101", run.during)
    assert.is_nil(run.after)
  end)

  it("puts back the policy that was there, also when the installation fails", function()
    for outdated, code in pairs { [""] = 0, ["for ever"] = 1 } do
      local run = install("bench", { MISSING = "beanstalkd", OUTDATED = outdated }, "mine")
      assert.equal(code, run.code)
      assert.matches("exit 101", run.during)
      assert.same({ "mine" }, { run.after, run.left })
    end
  end)

  it("takes away what an earlier run that was killed left", function()
    local left = install("bench", { MISSING = "beanstalkd" }).during
    local run = install("bench", { MISSING = "beanstalkd" }, left)
    assert.same({ nil, nil }, { run.after, run.left })
  end)

  it("has no cluster made for PostgreSQL, unless the machine has its own mind about that", function()
    local run = install("test", { MISSING = "postgresql" })
    assert.equal(0, run.code)
    assert.matches("create_main_cluster = false", run.clusters)
    assert.equal("the package's\n", run.clusters_after)
    run = install("test", { MISSING = "postgresql" }, nil, "mine")
    assert.same({ "mine", "mine" }, { run.clusters, run.clusters_after })
    assert.is_nil(install("test", { MISSING = "beanstalkd" }).clusters)
  end)

  it("refreshes the lists when they do not know a package", function()
    assert.equal("apt-get update\n" .. INSTALL .. "beanstalkd\n",
      install("bench", { MISSING = "beanstalkd", STALE = "yes" }).calls)
  end)

  it("refreshes the lists when what they name cannot be fetched", function()
    local run = install("bench", { MISSING = "beanstalkd", OUTDATED = "until update" })
    assert.equal(0, run.code)
    assert.equal(INSTALL .. "beanstalkd\napt-get update\n" .. INSTALL .. "beanstalkd\n", run.calls)
  end)

  it("becomes root with sudo", function()
    local run = install("bench", { MISSING = "beanstalkd", ID = "1000", SUDO = "yes" })
    assert.matches("sudo scripts/install%-packages bench\n$", run.calls)
  end)

  it("prints the line to run with neither root nor sudo", function()
    local run = install("bench", { MISSING = "beanstalkd", ID = "1000" })
    assert.equal(1, run.code)
    assert.matches("apt%-get install %-%-no%-install%-recommends beanstalkd\n", run.output)
    assert.is_nil(run.calls:find "apt%-get")
  end)

  it("refuses a set that is none", function()
    assert.equal(64, install("everything").code)
  end)
end)
