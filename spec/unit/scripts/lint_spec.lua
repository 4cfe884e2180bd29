--- Every lint passes a clean tree and fails on a violation planted in it.
local process = require "spec.support.process"
local temp = require "spec.support.temp"

local CLEAN = {
  [".clang-format"] = temp.read ".clang-format",
  [".luacheckrc"] = temp.read ".luacheckrc",
  ["runtime/base/a.h"] = "int a(void);\n",
  ["runtime/base/a.c"] = '#include "base/a.h"\n\n#include <jansson.h>\n\nint a(void)\n{\n    return 1;\n}\n',
  ["runtime/executor/wire.h"] = "",
  ["runtime/executor/pool.h"] = "",
  ["runtime/queue/queue.h"] = "",
  ["runtime/worker/worker.h"] = "",
  ["runtime/main.c"] = '#include "worker/worker.h"\n',
  ["runtime/lua/host.c"] = '#include "executor/wire.h"\n#include <lua.h>\n',
  ["jobs/a.lua"] = "return function() end\n",
  ["scripts/a"] = "#!/bin/sh\necho a\n",
}

local function write_all(dir, files)
  for path, text in pairs(files) do
    temp.write(dir .. "/" .. path, text)
  end
end

local clean = temp.dir()
write_all(clean, CLEAN)
assert(os.execute("chmod +x " .. clean .. "/scripts/a"))

-- Exit code and output of a lint on the clean tree with these files put over it.
local function lint(name, planted)
  local dir = temp.dir()
  assert(os.execute(("cp -a %s/. %s"):format(clean, dir)))
  write_all(dir, planted or {})
  local code, output, errors = process.run { "scripts/lint-" .. name, dir }
  return code, output .. errors
end

for name, violations in pairs {
  c = {
    ["division by zero"] = { ["runtime/base/b.c"] = "int b(void)\n{\n    int z = 0;\n    return 1 / z;\n}\n" },
    ["a declaration twice"] = { ["runtime/base/b.c"] = "int b(void);\nint b(void);\n" },
  },
  format = {
    ["a tab"] = { ["runtime/base/a.c"] = "int a(void)\n{\n\treturn 1;\n}\n" },
  },
  includes = {
    ["base/ including anything"] = { ["runtime/base/a.c"] = '#include "queue/queue.h"\n' },
    ["one of the four including another"] = { ["runtime/queue/b.c"] = '#include "executor/wire.h"\n' },
    ["a room including what is above it"] = { ["runtime/executor/b.c"] = '#include "worker/worker.h"\n' },
    ["lua/ including another header of executor/"] = { ["runtime/lua/b.c"] = '#include "executor/pool.h"\n' },
    ["a header named from its own room"] = { ["runtime/executor/b.c"] = '# include "wire.h"\n' },
    ["a header that is not there"] = { ["runtime/base/b.c"] = '#include "base/none.h"\n' },
    ["a room that is none"] = { ["runtime/util/b.c"] = '#include "base/a.h"\n' },
    ["jansson outside of base/"] = { ["runtime/config/b.c"] = "#include <jansson.h>\n" },
    ["curl outside of transfer/"] = { ["runtime/log/b.c"] = "#include <curl/curl.h>\n" },
    ["Lua in the runtime"] = { ["runtime/main.c"] = "#include <lauxlib.h>\n" },
    ["hiredis outside of redis/"] = { ["runtime/worker/b.c"] = "#include <hiredis/async.h>\n" },
    ["libyaml outside of config/"] = { ["runtime/base/b.c"] = "#include <yaml.h>\n" },
  },
  lua = {
    ["a global"] = { ["jobs/a.lua"] = "x = 1\n" },
    ["an unused variable"] = { ["spec/a_spec.lua"] = "local x = 1\n" },
  },
  shell = {
    ["a script that does not parse"] = { ["scripts/a"] = "#!/bin/sh\nif\n" },
    ["a bashism in sh"] = { ["scripts/a"] = "#!/bin/sh\n[[ a = a ]]\n" },
  },
  words = {
    ["a path of this machine"] = { ["README.md"] = "see /wor" .. "k/shared\n" },
    ["a path of root's home"] = { ["scripts/a"] = "#!/bin/sh\ncat /root" .. "/.profile\n" },
    ["something still to do"] = { ["jobs/a.lua"] = "-- TO" .. "DO\nreturn function() end\n" },
    ["something to mend"] = { ["runtime/base/a.h"] = "/* FIX" .. "ME */\n" },
  },
} do
  describe("scripts/lint-" .. name, function()
    it("passes a clean tree", function()
      assert.equal(0, (lint(name)))
    end)

    for what, planted in pairs(violations) do
      it("fails on " .. what, function()
        local code, output = lint(name, planted)
        assert.is_truthy(code ~= 0, "passed")
        assert.is_truthy(output:find(next(planted):match "[^/]+$", 1, true), "does not name the file:\n" .. output)
      end)
    end
  end)
end

describe("scripts/lint-reference", function()
  it("passes when the reference is what the comments say, and fails when it is not", function()
    local dir = temp.dir()
    assert(os.execute(("cp -a --parents jobs/README.md runtime/lua/lunastalk %s"):format(dir)))
    assert.equal(0, (process.run { "scripts/lint-reference", dir }))
    local file = dir .. "/runtime/lua/lunastalk/queue.lua"
    temp.write(file, (temp.read(file):gsub("--- Puts a job.", "--- Puts another job.")))
    local code, _, errors = process.run { "scripts/lint-reference", dir }
    assert.same({ 1, "jobs/README.md: the reference is not what the comments say: run scripts/reference\n" },
      { code, errors })
    assert(os.execute(("cd %s && luajit $OLDPWD/scripts/reference"):format(dir)))
    assert.equal(0, (process.run { "scripts/lint-reference", dir }))
  end)
end)
