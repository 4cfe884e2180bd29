--- Replays what has crashed, or might have, through the fuzz targets. `make fuzz` searches for more.
local buffers = require "spec.support.buffer"
local dirent = require "posix.dirent"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"
local temp = require "spec.support.temp"

local CORPUS = "spec/fuzz/corpus"

header "../spec/fuzz/fuzz.h"

local function entries(dir)
  local found = {}
  for name in dirent.files(dir) do
    if name:sub(1, 1) ~= "." then
      table.insert(found, name)
    end
  end
  table.sort(found)
  return found
end

local function replay(target, bytes)
  local copy = buffers.new(bytes)
  return lib["fuzz_" .. target](#bytes > 0 and copy.memory or "", #bytes)
end

describe("the corpus of", function()
  for _, target in ipairs(entries(CORPUS)) do
    it(target .. " breaks nothing, nor do its beginnings", function()
      for _, name in ipairs(entries(CORPUS .. "/" .. target)) do
        local bytes = temp.read(CORPUS .. "/" .. target .. "/" .. name)
        assert.equal(0, replay(target, bytes))
        for cut = 0, math.min(#bytes, 200) do
          replay(target, bytes:sub(1, cut))
        end
      end
    end)
  end
end)
