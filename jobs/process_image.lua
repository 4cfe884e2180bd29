-- jobs/process_image.lua: makes a thumbnail with ImageMagick (7's `magick` or 6's `convert`).
--
--   data   source, target: file names · width, height: the box it must fit in (one is enough; 200 x 200 by default)
--
-- JPEG, PNG, GIF (the first frame) and WebP, told by the source's content and by the target's extension. The thumbnail
-- appears under its name only when it is whole. A second run makes the same file again.

local json = require "lunastalk.json"
local log = require "lunastalk.log"
local shell = require "shell"

local LARGEST = 16384
local EXTENSIONS = { jpg = "jpeg", jpeg = "jpeg", png = "png", gif = "gif", webp = "webp" }
local SIGNATURES = { jpeg = "^\255\216\255", png = "^\137PNG\r\n\26\n", gif = "^GIF8[79]a", webp = "^RIFF....WEBP" }

local function is_file_name(value)
  return type(value) == "string" and value ~= "" and not value:find("%z")
end

local function given(value)
  if value ~= json.null then return value end
end

local function is_length(value)
  return given(value) == nil or type(value) == "number" and value >= 1 and value <= LARGEST and value % 1 == 0
end

local function check(data)
  if not is_file_name(data.source) then return "data.source: not a file name" end
  if not is_file_name(data.target) then return "data.target: not a file name" end
  if not is_length(data.width) then return "data.width: not a whole number from 1 to " .. LARGEST end
  if not is_length(data.height) then return "data.height: not a whole number from 1 to " .. LARGEST end
end

local function format_of_source(name)
  local file, problem = io.open(name, "rb")
  if not file then return nil, problem end
  local head
  head, problem = file:read(12)
  file:close()
  for format, signature in pairs(SIGNATURES) do
    if head and head:find(signature) then return format end
  end
  return nil, name .. ": " .. (problem or "neither a JPEG nor a PNG, GIF or WebP image")
end

-- No file name reaches ImageMagick, which would read "msl:x", "@x", "x[0]" or "-x" its own way: the shell opens the
-- files, and the formats are named, so that nothing is guessed from the content either.
local function command(data, from, to, part)
  local width, height = given(data.width), given(data.height)
  local box = ("%s%s>"):format(width or "", height and "x" .. height or "")
  return table.concat({
    "$(command -v magick || echo convert)",
    shell.quote(from .. ":-[0]"),
    "-auto-orient -thumbnail",
    shell.quote((width or height) and box or "200x200>"),
    to == "jpeg" and "-background white -alpha remove" or "",
    to .. ":-",
    "<" .. shell.quote(data.source),
    ">" .. shell.quote(part),
  }, " ")
end

-- Runs it; what the tool said, or nil and the reason.
local function run(line)
  local status, said = shell.run(line)
  -- A JPEG that ends too early is only a warning to ImageMagick, and half of the picture is grey.
  if status == 0 and not said:find("Premature end", 1, true) then return said end
  return nil, said:match("([^\n]-) *@ %a+/") or said:match("[^\n]+") or "exit status " .. tostring(status)
end

return function(job)
  local data = job.data
  local problem = check(data)
  if problem then return false, problem end
  local to = EXTENSIONS[data.target:lower():match("%.(%w+)$")]
  if not to then return false, data.target .. ": the name must end in .jpg, .png, .gif or .webp" end
  local from, unreadable = format_of_source(data.source)
  if not from then return false, unreadable end

  -- The same name in every run, so that what a killed run left is overwritten.
  local part = ("%s.%s-%s.part"):format(data.target, job.server:gsub("%W", "_"), job.id)
  local said, failure = run(command(data, from, to, part))
  if said then
    if said ~= "" then log.notice("{source}: {said}", { source = data.source, said = said }) end
    said, failure = os.rename(part, data.target)
  end
  if not said then
    os.remove(part)
    return false, data.source .. ": " .. failure
  end
end
