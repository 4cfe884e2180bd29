-- Tests with real files in a temporary directory, and the real program on them.
local json = require "lunastalk.json"
local process = require "spec.support.process"
local stdlib = require "posix.stdlib"
local temp = require "spec.support.temp"
local testing = require "lunastalk.testing"

local dir = temp.dir()
stdlib.setenv("PATH", "/usr/bin:" .. os.getenv "PATH") -- Debian's: a wrapper before it may take a second for each call

-- ImageMagick on the files of `dir`.
local function magick(...)
  local argv = { "sh", "-c", '$(command -v magick || echo convert) "$@"', "sh", ... }
  local code, _, errors = process.run(argv, { cwd = dir })
  assert(code == 0, errors)
end

-- Format and size of each, "JPEG 40x20", by one process. The names are plain: ImageMagick reads more into others.
local function look(...)
  local code, output, errors = process.run({ "identify", "-format", "%m %wx%h\n", ... }, { cwd = dir })
  assert(code == 0, errors)
  local found = {}
  for line in output:gmatch "[^\n]+" do
    table.insert(found, line)
  end
  return found
end

-- All names in `dir`, a line each.
local function files()
  local pipe = assert(io.popen("ls -A " .. dir))
  local names = pipe:read "*a"
  pipe:close()
  return names
end

local function perform(source, target, more)
  local data = { source = dir .. "/" .. source, target = dir .. "/" .. target }
  for key, value in pairs(more or {}) do
    data[key] = value
  end
  return testing.perform("process_image", data, { id = "7" })
end

magick("-size", "400x200", "gradient:", "-write", "wide.png", "-write", "wide.gif", "-write", "wide.webp", "wide.jpg")
local jpeg = temp.read(dir .. "/wide.jpg")

describe("jobs/process_image.lua", function()
  it("makes each format of another", function()
    for from, to in pairs { png = "jpg", jpg = "gif", gif = "webp", webp = "png" } do
      perform("wide." .. from, "out." .. to)
      assert.succeeded()
    end
    assert.same({ "JPEG 200x100", "GIF 200x100", "WEBP 200x100", "PNG 200x100" },
      look("out.jpg", "out.gif", "out.webp", "out.png"))
  end)

  it("fits the box, by one side or both, and never enlarges", function()
    for i, box in ipairs {
      { width = 40 }, { width = json.null, height = 40 }, { width = 100, height = 10 }, { width = 1000 },
    } do
      perform("wide.png", "box" .. i .. ".png", box)
      assert.succeeded()
    end
    assert.same({ "PNG 40x20", "PNG 80x40", "PNG 20x10", "PNG 400x200" },
      look("box1.png", "box2.png", "box3.png", "box4.png"))
  end)

  it("takes every file name for a file", function()
    local plain = {}
    for i, name in ipairs { "-size", "msl:x", "@list", "x.png[9]", "it's; $(touch pwned)\n*" } do
      temp.write(dir .. "/" .. name, jpeg)
      perform(name, name .. ".jpg")
      assert.succeeded()
      plain[i] = "plain" .. i .. ".jpg"
      assert(os.rename(dir .. "/" .. name .. ".jpg", dir .. "/" .. plain[i]))
    end
    for i, found in ipairs(look(unpack(plain))) do
      assert.equal("JPEG 200x100", found, plain[i])
    end
    assert.is_nil(files():find("\npwned\n", 1, true))
  end)

  it("does the same again in a second run, over what a killed one left", function()
    temp.write(dir .. "/again.png.testing-7.part", "half a")
    for _ = 1, 2 do
      perform("wide.png", "again.png")
      assert.succeeded()
    end
    assert.same({ "PNG 200x100" }, look "again.png")
    assert.is_nil(files():find(".part", 1, true))
  end)

  temp.write(dir .. "/half.jpg", jpeg:sub(1, -300))
  temp.write(dir .. "/half.png", temp.read(dir .. "/wide.png"):sub(1, -30))
  temp.write(dir .. "/text.jpg", "hello, world\n")
  temp.write(dir .. "/empty.jpg", "")
  temp.write(dir .. "/drawing.mvg", "push graphic-context\nimage over 0,0 0,0 'wide.png'\n")
  for name, reason in pairs {
    ["half.jpg"] = "Premature end",
    ["half.png"] = "half.png: ",
    ["text.jpg"] = "neither a JPEG nor",
    ["empty.jpg"] = "neither a JPEG nor",
    ["drawing.mvg"] = "neither a JPEG nor",
    ["missing.jpg"] = "No such file",
    ["."] = "Is a directory",
  } do
    it("refuses " .. name .. ", leaves no file and keeps the old target", function()
      local old = temp.write(dir .. "/old.png", "old")
      local before = files()
      perform(name, "never.png")
      assert.failed(reason)
      perform(name, "old.png")
      assert.failed(reason)
      assert.equal("old", temp.read(old))
      assert.equal(before, files())
    end)
  end

  it("says what is wrong with the data", function()
    for reason, data in pairs {
      ["data.source: "] = { target = "x.png" },
      ["data.target: "] = { source = "x.png", target = "a\0b.png" },
      ["data.width: "] = { source = "x.png", target = "y.png", width = "9; rm -rf ." },
      ["data.height: "] = { source = "x.png", target = "y.png", height = 1.5 },
      ["must end in"] = { source = "x.png", target = "y.svg" },
      ["Directory nonexistent"] = { source = dir .. "/wide.png", target = dir .. "/none/y.png" },
    } do
      testing.perform("process_image", data)
      assert.failed(reason)
    end
  end)
end)
