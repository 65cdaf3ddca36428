-- Claims desks that are due and whose hosts are free: the most overdue first, one per host.
--
-- KEYS    due, desks, pushed, stopped, waits, idle (of one queue; `stopped` is of all)
-- ARGV    now, places, hold (seconds), late (seconds)
-- Result  {{desk, token, requests paid, host, turn, probe}…, wake ('' where nothing is scheduled), refused pushes}
-- Changes pushed desks become due now; each claimed desk gets the next token and turn and is due again at now + hold,
--         its host is held until then, its floor is set, and the cost of its cheapest visit is taken from its host's bucket.
--         A due desk whose host is not free is put off in waits or idle, until that may be so.
--
-- Desks without waiting subscribers come after all others until they are `late`: otherwise they never had a turn.
-- A claim reads about as many desks as it takes, not all that are due: with thousands late that took longer than visits.
-- Nor does it read again and again the desks of hosts that are not free: on full hosts some desk is always due.
-- include: _instants
-- include: _buckets

local places, hold, late = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local claims, refused, tried, wake = {}, {}, {}, math.huge
local HELD, LONGEST = 1, 60 -- seconds: what frees a host before its instant is noticed within these at the latest
local ORDER = 1e-6 -- seconds in waits and idle for each that a desk is overdue: of one host the most overdue comes first

for _, index in ipairs({KEYS[5], KEYS[6]}) do
  local following = redis.call('ZRANGEBYSCORE', index, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if following[2] then wake = math.min(wake, tonumber(following[2])) end
end

local function reschedule(name, at)
  redis.call('ZADD', KEYS[5], 'XX', at, name)
  redis.call('ZADD', KEYS[6], 'XX', at, name)
end

for _, desk in ipairs(redis.call('LPOP', KEYS[3], 100) or {}) do
  if redis.call('ZSCORE', KEYS[1], desk) then
    redis.call('ZADD', KEYS[1], 'LT', text(now), desk)
    reschedule(desk, text(now))
  else
    refused[#refused + 1] = desk
  end
end

-- Probes of a host have one floor together.
local function floor_of(name, desk)
  return 'crawler:floor:' .. (desk.probe and 'probes/' .. desk.host or name)
end

local function take(name, desk, left, at)
  local key, time = 'crawler:token:' .. name, redis.call('TIME')
  -- Newer than all that were given, also where Redis was emptied or restored: microseconds, exact below 2^53.
  local token = string.format('%.0f', math.max(redis.call('INCR', key), time[1] * 1e6 + time[2]))
  redis.call('SET', key, token)
  local limit = text(now + hold)
  redis.call('ZADD', KEYS[1], limit, name)
  redis.call('ZADD', desk.waits and KEYS[5] or KEYS[6], limit, name)
  wake = math.min(wake, now + hold)
  keep('crawler:host:' .. desk.host, limit .. ' ' .. name .. ' ' .. token, hold)
  keep(floor_of(name, desk), text(now + desk.gap), desk.gap)
  fill(desk, left - desk.cost, at)
  local turn = redis.call('HINCRBY', 'crawler:turns', name, 1) -- tokens leave numbers out: they begin with the time
  claims[#claims + 1] = {name, token, desk.cost, desk.host, turn, desk.probe and 1 or 0}
end

local function put_off(name, due, desk, free, seconds)
  local overdue = math.min(now - due, 3600)
  local at = text(math.min(free, now + seconds) - ORDER * overdue)
  redis.call('ZADD', desk.waits and KEYS[5] or KEYS[6], at, name)
end

-- `due:` is the truth; where `waits:` and `idle:` differ they are corrected.
local function try(name, due)
  local desk = due and decode(redis.call('HGET', KEYS[2], name))
  if not desk then
    for _, key in ipairs({KEYS[1], KEYS[5], KEYS[6]}) do redis.call('ZREM', key, name) end
    return
  elseif tonumber(due) > now then
    wake = math.min(wake, tonumber(due))
    return redis.call('ZADD', desk.waits and KEYS[5] or KEYS[6], due, name)
  elseif redis.call('SISMEMBER', KEYS[4], desk.host) == 1 then
    return put_off(name, due, desk, math.huge, HELD)
  end
  local host = 'crawler:host:' .. desk.host
  local held = string.find(redis.call('GET', host) or '', ' ') and until_of(host) > now
  local free = math.max(until_of(host), until_of('crawler:rest:' .. desk.host), until_of(floor_of(name, desk)))
  local left, at = left_in(desk, now)
  if left + SLIP < desk.need then free = math.max(free, at + (desk.need - left) / desk.rate) end
  if free <= now then return take(name, desk, left, at) end
  wake = math.min(wake, free)
  put_off(name, due, desk, free, held and HELD or LONGEST)
  if held then
    redis.call('SADD', 'crawler:behind:' .. desk.host, name)
    redis.call('PEXPIRE', 'crawler:behind:' .. desk.host, math.ceil(1000 * hold))
  end
end

-- The desks of a page with the instants they are due, the most overdue first; without those that are put off. No desk is
-- for longer than LONGEST: another process moved it in `due` alone.
local function read(page)
  local dues, found = redis.call('ZMSCORE', KEYS[1], unpack(page)), {}
  local waits, idle = redis.call('ZMSCORE', KEYS[5], unpack(page)), redis.call('ZMSCORE', KEYS[6], unpack(page))
  for each, name in ipairs(page) do
    local at = tonumber(waits[each] or idle[each] or 0)
    if not tried[name] and (at <= now or at > now + LONGEST) then found[#found + 1] = {name, dues[each]} end
    tried[name] = true
  end
  table.sort(found, function(a, b) return tonumber(a[2] or 0) < tonumber(b[2] or 0) end)
  return found
end

-- A desk that is tried leaves `waits` and `idle`, as a rule: each page but the first begins behind those that did not.
local function look(key, to)
  local passed = 0
  while true do
    local page = redis.call('ZRANGEBYSCORE', key, '-inf', to, 'LIMIT', passed, places + 20)
    if #page == 0 then return end
    for _, desk in ipairs(read(page)) do
      if #claims == places then return end
      try(unpack(desk))
    end
    for _, at in ipairs(redis.call('ZMSCORE', key, unpack(page))) do
      if at and tonumber(at) <= tonumber(to) then passed = passed + 1 end
    end
  end
end

if places > 0 then
  look(KEYS[1], text(now - late))
  look(KEYS[5], text(now))
  look(KEYS[6], text(now))
end
return {claims, wake == math.huge and '' or text(wake - shift), refused}
