-- A host's token bucket, bucket:<host> "<requests left> <at>"; it is full where there is no such key.
-- It fills by itself up to its capacity; a clock that runs behind another's does not fill it twice.

-- An entry of desks:<queue>, decoded: {host, gap, cost, need, capacity, rate, waits}; nil where there is none.
local function decode(entry)
  local ok, desk = pcall(cjson.decode, entry or '')
  return ok and type(desk) == 'table' and desk.host and desk or nil
end

local function left_in(desk, now)
  local left, at = string.match(redis.call('GET', 'crawler:bucket:' .. desk.host) or '', '^(%S+) (%S+)$')
  if not left then return desk.capacity, now end
  left, at = tonumber(left), tonumber(at)
  return math.min(desk.capacity, left + math.max(0, now - at) * desk.rate), math.max(at, now)
end

local function fill(desk, left, at)
  local seconds = (desk.capacity - left) / desk.rate
  keep('crawler:bucket:' .. desk.host, string.format('%.6f %.6f', left, at), seconds)
end

local SLIP = 1e-6  -- what is lost by counting in decimals
