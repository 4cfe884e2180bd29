-- What the documents name must exist. That their commands do what they say is in readme_spec.lua.
local process = require "spec.support.process"
local stat = require "posix.sys.stat"
local temp = require "spec.support.temp"
local worker = require "spec.support.worker"

local DOCUMENTS = {
  "README.md", "jobs/README.md", "runtime/README.md", "scripts/README.md", "scripts/producers/README.md",
  "spec/README.md",
}

local texts = {}
for _, file in ipairs(DOCUMENTS) do
  texts[file] = temp.read(file)
end

-- GitHub's anchor of a heading.
local function anchors(text)
  local found = {}
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    found[heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")] = true
  end
  return found
end

local function help_of(command)
  local code, output = worker.lunastalk(command, "--help")
  assert.equal(0, code)
  return output
end

describe("the documents", function()
  it("link to files and headings that exist", function()
    local links = 0
    for file, text in pairs(texts) do
      for link in text:gmatch "%]%(([^)%s]+)%)" do
        if not link:find "^https?:" then
          local path, anchor = link:match "^([^#]*)#?(.*)$"
          local target = path == "" and file or (file:match "^.*/" or "") .. path
          assert.truthy(stat.stat(target), file .. ": " .. link)
          assert.is_true(anchor == "" or anchors(temp.read(target))[anchor], file .. ": " .. link)
          links = links + 1
        end
      end
    end
    assert.is_true(links > 10)
  end)

  it("name commands and flags that exist", function()
    local flags = 0
    for file, text in pairs(texts) do
      for command, rest in text:gmatch "%f[%w]lunastalk (%l+)([^\n`|]*)" do
        if command == "run" or command ~= "test" and rest:find "%-%-" then -- those of test are busted's
          local help = help_of(command)
          for flag in rest:gmatch "%s(%-%-%l[%l-]*)" do
            assert.truthy(help:find("\n  " .. flag .. " ", 1, true), file .. ": lunastalk " .. command .. " " .. flag)
            flags = flags + 1
          end
        end
      end
    end
    assert.is_true(flags > 5)
  end)

  it("show configurations that are valid", function()
    local count = 0
    for file, text in pairs(texts) do
      for yaml in text:gmatch "```yaml\n(.-)```" do
        local dir = temp.dir()
        temp.write(dir .. "/config.yml", yaml)
        local code, _, errors = worker.lunastalk("config", "--check", { cwd = dir })
        assert.equal(0, code, file .. ": " .. errors)
        count = count + 1
      end
    end
    assert.is_true(count >= 1)
    assert.equal(0, (worker.lunastalk("config", "--check")))
  end)

  it("show a spec that passes", function()
    local example = texts["spec/README.md"]:match "```lua\n(local beanstalkd.-)```"
    local file = temp.write(temp.dir() .. "/example_spec.lua", example)
    local code, output = process.run { "busted", "--lua=luajit", "-o", "plainTerminal", file }
    assert.equal(0, code, output)
    assert.matches("1 success / 0 failures / 0 errors", output)
  end)

  it("show handlers and specs that pass", function()
    local dir, files = temp.dir(), 0
    for path, file in texts["spec/README.md"]:gmatch "```lua\n%-%- ([%w_/]+%.lua)\n(.-)```" do
      temp.write(dir .. "/" .. path, "-- " .. path .. "\n" .. file)
      files = files + 1
    end
    local code, output = worker.lunastalk("test", "-o", "plainTerminal", { cwd = dir })
    assert.equal(0, code, output)
    assert.equal(13, files)
    assert.matches("16 successes / 0 failures / 0 errors / 0 pending", output)
  end)

  it("agree on the exit codes of a worker", function()
    local documented = {}
    for code, of in texts["scripts/README.md"]:gmatch "\n| (%d+) | (%l+) |" do
      documented[code] = of
    end
    local help, known = help_of("run"):match "Exit codes:(.*)", 0
    for code in help:gmatch "%f[%d](%d+) %l" do
      assert.equal("all", documented[code])
      known = known + 1
    end
    assert.equal(4, known)
  end)
end)
