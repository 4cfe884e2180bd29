-- jobs/lib/csv.lua: reads CSV (RFC 4180) row by row, in constant memory.
--
--   local rows = csv.open(file)
--   local fields, problem = rows:next()   -- nil alone at the end
--
-- Fields in double quotes may hold commas, line breaks and, doubled, quotes. Lines end in LF or CRLF; empty ones and a
-- byte order mark are skipped. A row has 1 MB at most, so that a quote that is never closed does not take the rest.

local CHUNK, LONGEST = 64 * 1024, 1024 * 1024
local TOO_LONG = "a row of more than 1 MB: is there a quote that is not closed?"
local LF, CR, QUOTE, COMMA = 10, 13, 34, 44

local csv = {}

local rows = {}
rows.__index = rows

-- `offset`: where in the file a row begins (0), on which line (1). Fields: `line`, where the last row began; `lines`
-- and `offset`: what was read until now; `ascii`: whether that is nothing but ASCII.
function csv.open(file, offset, line)
  assert(file:seek("set", offset or 0))
  return setmetatable({
    file = file, buffer = "", at = 1, offset = offset or 0, lines = (line or 1) - 1, ascii = true,
  }, rows)
end

-- The next line with its end, or a piece of one that is too long; nil at the end of the file.
function rows:read_line()
  local stop = self.buffer:find("\n", self.at, true)
  while not stop do
    local rest = self.buffer:sub(self.at)
    local chunk, problem = self.file:read(CHUNK)
    assert(not problem, problem)
    self.buffer, self.at = rest .. (chunk or ""), 1
    self.ascii = self.ascii and not self.buffer:find("[\128-\255]")
    stop = self.buffer:find("\n", #rest + 1, true)
    if not chunk or #self.buffer > LONGEST then stop = stop or #self.buffer end
  end
  local line = self.buffer:sub(self.at, stop)
  self.at, self.offset = stop + 1, self.offset + #line
  if line == "" then return nil end
  self.lines = self.lines + 1
  return line
end

local function has_odd_quotes(line)
  return line:find('"', 1, true) and select(2, line:gsub('"', "")) % 2 == 1
end

-- The lines that a row goes over: as many as it takes to close all quotes.
function rows:read_lines(line)
  local parts, size = { line }, #line
  repeat
    line = self:read_line()
    if not line then return nil, "a quote is not closed" end
    parts[#parts + 1], size = line, size + #line
    if size > LONGEST then return nil, TOO_LONG end
  until has_odd_quotes(line)
  return table.concat(parts)
end

-- A row as it is written, without its end.
function rows:read_record()
  local line, problem = self:read_line(), nil
  if not line then return nil end
  self.line = self.lines
  if #line > LONGEST then return nil, TOO_LONG end
  if has_odd_quotes(line) then line, problem = self:read_lines(line) end
  if not line then return nil, problem end
  local last = #line
  if line:byte(last) == LF then last = last - 1 end
  if line:byte(last) == CR then last = last - 1 end
  return line:sub(1, last)
end

-- A quoted field, and where it ends.
local function quoted(text, at)
  local close = text:find('"', at + 1, true)
  while close and text:byte(close + 1) == QUOTE do
    close = text:find('"', close + 2, true)
  end
  if close then return (text:sub(at + 1, close - 1):gsub('""', '"')), close + 1 end
end

local function split_quoted(text)
  local fields, at = {}, 1
  repeat
    local field, stop
    if text:byte(at) == QUOTE then
      field, stop = quoted(text, at)
    else
      field, stop = text:match('^([^",]*)()', at)
    end
    local behind = field and text:byte(stop)
    if not field or behind and behind ~= COMMA then return nil, "a quote in the middle of a field" end
    fields[#fields + 1], at = field, stop + 1
  until not behind
  return fields
end

-- No patterns: LuaJIT does not compile them.
local function split(text)
  if text:find('"', 1, true) then return split_quoted(text) end
  local fields, at, comma = {}, 1, text:find(",", 1, true)
  while comma do
    fields[#fields + 1], at = text:sub(at, comma - 1), comma + 1
    comma = text:find(",", at, true)
  end
  fields[#fields + 1] = text:sub(at)
  return fields
end

function rows:next()
  local first = self.offset == 0
  local text, problem
  repeat
    text, problem = self:read_record()
    if not text then return nil, problem end
    if first then text, first = text:gsub("^\239\187\191", ""), false end
  until text ~= ""
  return split(text)
end

return csv
