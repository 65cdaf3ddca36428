-- Instants in keys: "<until> …", in Unix seconds. The instant counts; expiry by Redis only clears litter.

local OWN_NAME = 86400 -- seconds after a host's rest in which it is asked under our own name: crawler/fetching/identity.py

local function text(instant)
  return string.format('%.6f', instant)
end

local function until_of(key)
  local value = redis.call('GET', key)
  return value and tonumber(string.match(value, '^[%d.]+')) or 0
end

local function keep(key, value, seconds)
  redis.call('SET', key, value, 'PX', math.max(1, math.ceil(seconds * 1000)))
end
