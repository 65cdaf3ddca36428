-- Claims desks that are due and whose hosts are free: the most overdue first, one per host.
--
-- KEYS    due, desks, pushed, stopped, waits, claims (of one queue; `stopped` is of all)
-- ARGV    now, places, hold (seconds), late (seconds), since (the caller has left no desk until then; '': do not count),
--         slow (seconds)
-- Result  {{desk, token, due, requests paid}…, wake ('' where nothing is scheduled), refused pushes}
-- Changes pushed desks become due now; each claimed desk gets the next token and is due again at now + hold, its host
--         is held until then, its floor is set, and the cost of its cheapest visit is taken from its host's bucket.
--         `claims` counts the claims, and those that are late: more than `slow` after the desk was due and `since`.
--         What a host held back until `since` is not late.
--
-- Desks without waiting subscribers come after all others until they are `late`: otherwise they never had a turn.
-- A claim reads about as many desks as it takes, not all that are due: with thousands late that took longer than visits.
-- include: _instants
-- include: _buckets

local now, places, hold, late = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local since, slow, behind = tonumber(ARGV[5]), tonumber(ARGV[6]), 0
local claims, refused, tried, wake = {}, {}, {}, math.huge

for _, desk in ipairs(redis.call('LPOP', KEYS[3], 100) or {}) do
  if redis.call('ZSCORE', KEYS[1], desk) then
    redis.call('ZADD', KEYS[1], 'LT', ARGV[1], desk)
    redis.call('ZADD', KEYS[5], 'XX', 'LT', ARGV[1], desk)
  else
    refused[#refused + 1] = desk
  end
end

local function take(name, due, desk, left, at)
  local token = redis.call('INCR', 'token:' .. name)
  local limit = string.format('%.6f', now + hold)
  redis.call('ZADD', KEYS[1], limit, name)
  if desk.waits then redis.call('ZADD', KEYS[5], limit, name) end
  keep('host:' .. desk.host, limit .. ' ' .. name .. ' ' .. token, hold)
  keep('floor:' .. name, string.format('%.6f', now + desk.gap), desk.gap)
  fill(desk, left - desk.cost, at)
  claims[#claims + 1] = {name, token, due, desk.cost}
  if since and now - math.max(since, tonumber(due)) > slow then behind = behind + 1 end
end

-- Whether the desk left the range that is read. `due:` is the truth; where `waits:` differs it is corrected.
local function try(name)
  local due = redis.call('ZSCORE', KEYS[1], name)
  local desk = due and decode(redis.call('HGET', KEYS[2], name))
  if not desk then
    redis.call('ZREM', KEYS[1], name)
    redis.call('ZREM', KEYS[5], name)
    return true
  elseif tonumber(due) > now then
    redis.call('ZADD', KEYS[5], due, name)
    return true
  end
  if redis.call('SISMEMBER', KEYS[4], desk.host) == 1 then return false end
  local free = math.max(until_of('host:' .. desk.host), until_of('rest:' .. desk.host), until_of('floor:' .. name))
  local left, at = left_in(desk, now)
  if left + SLIP < desk.need then free = math.max(free, at + (desk.need - left) / desk.rate) end
  if free > now then
    wake = math.min(wake, free)
    return false
  end
  take(name, due, desk, left, at)
  return true
end

local function look(key, from, to)
  local skipped, page = 0, nil
  repeat
    page = redis.call('ZRANGEBYSCORE', key, from, to, 'LIMIT', skipped, places + 20)
    for _, name in ipairs(page) do
      if #claims == places then return end
      if tried[name] or not try(name) then skipped = skipped + 1 end
      tried[name] = true
    end
  until #page == 0
end

if places > 0 then
  local early = string.format('%.6f', now - late)
  look(KEYS[1], '-inf', early)
  look(KEYS[5], '(' .. early, ARGV[1])
  look(KEYS[1], '(' .. early, ARGV[1])
end
if since and #claims > 0 then
  redis.call('HINCRBY', KEYS[6], 'all', #claims)
  redis.call('HINCRBY', KEYS[6], 'late', behind)
end

local following = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if following[2] then wake = math.min(wake, tonumber(following[2])) end
return {claims, wake == math.huge and '' or string.format('%.6f', wake), refused}
