-- Instants in keys: "<until> …", in Unix seconds. What counts is the instant, compared with the time that the caller
-- gives, so that a frozen clock freezes the scripts too. Expiry by Redis only clears litter.

local function until_of(key)
  local value = redis.call('GET', key)
  return value and tonumber(string.match(value, '^[%d.]+')) or 0
end

local function keep(key, value, seconds)
  redis.call('SET', key, value, 'PX', math.max(1, math.ceil(seconds * 1000)))
end
