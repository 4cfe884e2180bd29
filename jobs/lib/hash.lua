-- jobs/lib/hash.lua: a short name for a text: FNV-1a, 32 bits, in hexadecimal.

local bit = require "bit"

return function(text)
  local h = bit.tobit(2166136261)
  for i = 1, #text do
    h = bit.bxor(h, text:byte(i))
    h = bit.tobit(h + h * 2 + h * 16 + h * 128 + h * 256 + bit.lshift(h, 24)) -- h * 16777619, exact in a double
  end
  return bit.tohex(h)
end
