local handler = require "spec.jobs.handler"
local null = require("cjson").null
local process = require "spec.support.process"
local temp = require "spec.support.temp"

local dir = temp.dir()
local process_image = handler.load "process_image"

-- ImageMagick on the files of `dir`.
local function magick(...)
  local argv = { "sh", "-c", '$(command -v magick || echo convert) "$@"', "sh", ... }
  local code, _, errors = process.run(argv, { cwd = dir })
  assert(code == 0, errors)
end

-- Format and size, "JPEG 40x20", read through stdin, which bears every file name.
local function look(name)
  local code, output = process.run({ "identify", "-format", "%m %wx%h", "-" }, { stdin = temp.read(name) })
  return code == 0 and output or nil
end

local function files()
  local code, output = process.run({ "ls", "-A", dir })
  assert(code == 0)
  return output
end

local function make(source, target, more)
  local data = { source = dir .. "/" .. source, target = dir .. "/" .. target }
  for key, value in pairs(more or {}) do
    data[key] = value
  end
  return process_image(data)
end

magick("-size", "400x200", "plasma:", "-write", "wide.png", "-write", "wide.gif", "-write", "wide.webp", "wide.jpg")
temp.write(dir .. "/half.jpg", temp.read(dir .. "/wide.jpg"):sub(1, 5000))
temp.write(dir .. "/half.png", temp.read(dir .. "/wide.png"):sub(1, -300))

describe("jobs/process_image.lua", function()
  for from, to in pairs { png = "jpg", jpg = "gif", gif = "webp", webp = "png" } do
    it(("makes a %s of a %s"):format(to, from), function()
      assert.same({}, { make("wide." .. from, "out." .. to) })
      assert.equal((to:upper():gsub("JPG", "JPEG")) .. " 200x100", look(dir .. "/out." .. to))
    end)
  end

  it("fits the box, by one side or both, and never enlarges", function()
    for size, box in pairs {
      ["40x20"] = { width = 40 },
      ["80x40"] = { width = null, height = 40 },
      ["20x10"] = { width = 100, height = 10 },
      ["400x200"] = { width = 1000 },
    } do
      assert.same({}, { make("wide.png", "box.png", box) })
      assert.equal("PNG " .. size, look(dir .. "/box.png"))
    end
  end)

  for _, name in ipairs { "-size", "msl:x", "@list", "x.png[9]", "it's; $(touch pwned)\n*" } do
    it(("takes a file called %q for a file"):format(name), function()
      temp.write(dir .. "/" .. name, temp.read(dir .. "/wide.jpg"))
      assert.same({}, { make(name, name .. ".jpg") })
      assert.equal("JPEG 200x100", look(dir .. "/" .. name .. ".jpg"))
      assert.is_nil(files():find("\npwned\n", 1, true))
    end)
  end

  it("does the same again in a second run, over what a killed one left", function()
    temp.write(dir .. "/again.png.127_0_0_1_11300-7.part", "half a")
    assert.same({}, { make("wide.png", "again.png") })
    assert.same({}, { make("wide.png", "again.png") })
    assert.equal("PNG 200x100", look(dir .. "/again.png"))
    assert.is_nil(files():find(".part", 1, true))
  end)

  for name, reason in pairs {
    ["half.jpg"] = "Premature end",
    ["half.png"] = "half.png: ",
    ["text.jpg"] = "neither a JPEG nor",
    ["empty.jpg"] = "neither a JPEG nor",
    ["drawing.mvg"] = "neither a JPEG nor",
    ["missing.jpg"] = "No such file",
    ["."] = "Is a directory",
  } do
    it("refuses " .. name .. " and leaves no file", function()
      temp.write(dir .. "/text.jpg", "hello, world\n")
      temp.write(dir .. "/empty.jpg", "")
      temp.write(dir .. "/drawing.mvg", "push graphic-context\nimage over 0,0 0,0 'wide.png'\n")
      local before = files()
      local ok, why = make(name, "never.png")
      assert.equal(false, ok)
      assert.truthy(why:find(reason, 1, true), why)
      assert.equal(before, files())
    end)
  end

  it("keeps the old target when it fails", function()
    temp.write(dir .. "/old.png", "old")
    assert.equal(false, (make("half.jpg", "old.png")))
    assert.equal("old", temp.read(dir .. "/old.png"))
  end)

  it("says what is wrong with the data", function()
    for reason, data in pairs {
      ["data.source: "] = { target = "x.png" },
      ["data.target: "] = { source = "x.png", target = "a\0b.png" },
      ["data.width: "] = { source = "x.png", target = "y.png", width = "9; rm -rf ." },
      ["data.height: "] = { source = "x.png", target = "y.png", height = 1.5 },
      ["must end in"] = { source = "x.png", target = "y.svg" },
      ["Directory nonexistent"] = { source = dir .. "/wide.png", target = dir .. "/none/y.png" },
    } do
      local ok, why = process_image(data)
      assert.equal(false, ok)
      assert.truthy(why:find(reason, 1, true), why)
    end
  end)
end)
