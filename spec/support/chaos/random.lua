--- Numbers that depend on the seed alone, for each user its own sequence.
local random = {}
random.__index = random

--- A sequence; `seed` and `salt` are whole numbers from 1 up.
function random.new(seed, salt)
  return setmetatable({ state = (seed * 65537 + salt * 257) % 2147483646 + 1 }, random)
end

--- From 0 up to, and not, 1.
function random:next()
  self.state = self.state * 16807 % 2147483647
  return (self.state - 1) / 2147483646
end

--- A whole number between two, both included.
function random:between(low, high)
  return low + math.floor(self:next() * (high - low + 1))
end

--- Some time between two.
function random:seconds(low, high)
  return low + self:next() * (high - low)
end

--- One entry of a list, as often as its `weight` says.
function random:pick(list)
  local sum = 0
  for _, entry in ipairs(list) do
    sum = sum + (entry.weight or 1)
  end
  local left = self:next() * sum
  for _, entry in ipairs(list) do
    left = left - (entry.weight or 1)
    if left < 0 then
      return entry
    end
  end
  return list[#list]
end

return random
