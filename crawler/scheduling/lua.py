"""The due queue's scripts: each is atomic in Redis and told the time, so that a frozen clock freezes it too.

Keys: `due:<system>` sorted set of desks by the second they are due, `waits:<system>` the same of those that somebody
waits for, so that a claim finds them among however many others are late; `desks:<system>` hash, desk → "<gap> <cost>
<need> <capacity> <a second> <1: somebody waits> <host>"; `<system>:checks` list an operator pushes desk ids to;
`token:<desk>` counter; `host:<host>` "<until> <desk> <token>" while a visit holds it, "<until>" while it only rests
between two; `bucket:<host>` "<requests left> <at>", full where there is none; `rest:<host>` and `floor:<desk>`
"<until>"; `stopped` set of the hosts that an operator stopped; `planned` there since everything was planned.
Expiry by Redis only clears litter: what counts is the `until` inside, compared with the time given.
"""

_UNTIL = """
local function until_of(key)
  local value = redis.call('GET', key)
  return value and tonumber(string.match(value, '^[%d.]+')) or 0
end
local function keep(key, value, seconds)
  redis.call('SET', key, value, 'PX', math.max(1, math.ceil(seconds * 1000)))
end
"""

# A bucket fills by itself up to its capacity; a clock that runs behind another's does not fill it twice.
_BUCKET = """
local function about(text)
  local gap, cost, need, capacity, rate, waits, host =
    string.match(text or '', '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return host and {gap = tonumber(gap), cost = tonumber(cost), need = tonumber(need), capacity = tonumber(capacity),
    rate = tonumber(rate), waits = waits == '1', host = host}
end
local function left_in(desk, now)
  local left, at = string.match(redis.call('GET', 'bucket:' .. desk.host) or '', '^(%S+) (%S+)$')
  if not left then return desk.capacity, now end
  left, at = tonumber(left), tonumber(at)
  return math.min(desk.capacity, left + math.max(0, now - at) * desk.rate), math.max(at, now)
end
local function fill(desk, left, at)
  local seconds = (desk.capacity - left) / desk.rate
  keep('bucket:' .. desk.host, string.format('%.6f %.6f', left, at), seconds)
end
local SLIP = 1e-6  -- what is lost by counting in decimals
"""

# KEYS due, desks, pushed, stopped, waits; ARGV now, places, hold, late (seconds).
# Desks that nobody waits for come after all that somebody does, until they are `late`: else they never had a turn. A
# claim reads about as many desks as it takes, not all that are due: with thousands late that took longer than visits.
# Returns {{desk, token, due, requests paid}…, wake ('' if nothing waits), refused pushes}.
CLAIM = (
    _UNTIL
    + _BUCKET
    + """
local now, places, hold, late = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
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
end

-- Whether the desk left the range that is looked through; `due:` is the truth, what `waits:` says otherwise is mended.
local function try(name)
  local due = redis.call('ZSCORE', KEYS[1], name)
  local desk = due and about(redis.call('HGET', KEYS[2], name))
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
  local since = string.format('%.6f', now - late)
  look(KEYS[1], '-inf', since)
  look(KEYS[5], '(' .. since, ARGV[1])
  look(KEYS[1], '(' .. since, ARGV[1])
end

local following = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if following[2] then wake = math.min(wake, tonumber(following[2])) end
return {claims, wake == math.huge and '' or string.format('%.6f', wake), refused}
"""
)

# KEYS desks, stopped; ARGV now, desk, token; where the visit was handed to another host: a desk there, what its hash
# would say of it. One request more of a visit that still holds its own host. Others may be at the one it was handed to:
# nobody waits for them, but that host's rest and bucket are everybody's. Returns 1 where it may be made.
SPEND = (
    _UNTIL
    + _BUCKET
    + """
local now, desk = tonumber(ARGV[1]), about(redis.call('HGET', KEYS[1], ARGV[2]))
if not desk or redis.call('SISMEMBER', KEYS[2], desk.host) == 1 then return 0 end
local holder = string.match(redis.call('GET', 'host:' .. desk.host) or '', ' (.+)$')
if holder ~= ARGV[2] .. ' ' .. ARGV[3] then return 0 end
if ARGV[4] then
  local there = about(ARGV[5])
  local planned = about(redis.call('HGET', KEYS[1], ARGV[4]))
  desk = planned and planned.host == there.host and planned or there
  if redis.call('SISMEMBER', KEYS[2], desk.host) == 1 or until_of('rest:' .. desk.host) > now then return 0 end
end
local left, at = left_in(desk, now)
if left + SLIP < 1 then return 0 end
fill(desk, left - 1, at)
return 1
"""
)

# KEYS stopped; ARGV now, what the hash says of a desk, until, holder. A request by somebody who has no claim and holds
# the host meanwhile. Returns 1 where it may be made: nobody else is at the host, which neither rests nor is stopped.
TAKE = (
    _UNTIL
    + _BUCKET
    + """
local now, desk = tonumber(ARGV[1]), about(ARGV[2])
local host = 'host:' .. desk.host
if redis.call('SISMEMBER', KEYS[1], desk.host) == 1 or until_of('rest:' .. desk.host) > now then return 0 end
local holder = string.match(redis.call('GET', host) or '', ' (.+)$')
if holder ~= ARGV[4] and until_of(host) > now then return 0 end
local left, at = left_in(desk, now)
if left + SLIP < 1 then return 0 end
fill(desk, left - 1, at)
keep(host, ARGV[3] .. ' ' .. ARGV[4], tonumber(ARGV[3]) - now)
return 1
"""
)

# KEYS host; ARGV now, until, holder. The end of that: the host is left alone for its usual while.
PUT_BACK = (
    _UNTIL
    + """
if string.match(redis.call('GET', KEYS[1]) or '', ' (.+)$') == ARGV[3] then
  keep(KEYS[1], ARGV[2], tonumber(ARGV[2]) - tonumber(ARGV[1]))
end
"""
)

# KEYS due, desks, waits; ARGV now, jump, then for each visit: desk, token, due again, host, between visits until, rest
# until, requests paid and not made, the host that rests, the row's last token where that is not older than the visit's.
# Such a token is the desk's own only in a Redis that was restored from an older state: it goes on beyond the row's.
# Returns for each visit whether its token was still the desk's own.
FINISH = (
    _UNTIL
    + _BUCKET
    + """
local now, jump, own = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for item = 3, #ARGV, 9 do
  local name, token, due, host = ARGV[item], ARGV[item + 1], ARGV[item + 2], ARGV[item + 3]
  local between, rest, unused = tonumber(ARGV[item + 4]), tonumber(ARGV[item + 5]), tonumber(ARGV[item + 6])
  if redis.call('GET', 'token:' .. name) == token then
    redis.call('ZADD', KEYS[1], 'XX', due, name)
    redis.call('ZADD', KEYS[3], 'XX', due, name)
    local last = tonumber(ARGV[item + 8])
    if last >= tonumber(token) then redis.call('SET', 'token:' .. name, last + jump) end
    own[#own + 1] = 1
  else
    own[#own + 1] = 0
  end
  local held = redis.call('GET', 'host:' .. host)
  local holder = held and string.match(held, ' (.+)$')
  if holder == name .. ' ' .. token then
    keep('host:' .. host, ARGV[item + 4], between - now)
    local desk = unused > 0 and about(redis.call('HGET', KEYS[2], name))
    if desk then
      local left, at = left_in(desk, now)
      fill(desk, math.min(desk.capacity, left + unused), at)
    end
  elseif not holder and between > math.max(now, until_of('host:' .. host)) then
    keep('host:' .. host, ARGV[item + 4], between - now)
  end
  local resting = 'rest:' .. ARGV[item + 7]
  if rest > until_of(resting) then keep(resting, ARGV[item + 5], rest - now) end
end
return own
"""
)

# KEYS due, desks, waits; ARGV jump, then for each desk: desk, what the hash says of it, due, last token, hurry (1:
# earlier is better), the latest instant that the queue can rightly say.
# A desk that is already in the queue only ever moves forward, and only where it is hurried or due later than that: a
# clock set ahead put it there. A token that is missing or behind the row's goes on far beyond it: a check may still run
# whose token no row knows, the first of a desk too. Returns how many are new.
SCHEDULE = (
    _BUCKET
    + """
local added, jump = 0, tonumber(ARGV[1])
for at = 2, #ARGV, 6 do
  local desk, due, last = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 3])
  redis.call('HSET', KEYS[2], desk, ARGV[at + 1])
  local token = tonumber(redis.call('GET', 'token:' .. desk))
  if not token or token < last then redis.call('SET', 'token:' .. desk, last + jump) end
  local set = tonumber(redis.call('ZSCORE', KEYS[1], desk))
  local nearer = ARGV[at + 4] == '1' or (set and set > (tonumber(ARGV[at + 5]) or math.huge))
  added = added + redis.call('ZADD', KEYS[1], nearer and 'LT' or 'NX', due, desk)
  if about(ARGV[at + 1]).waits then
    redis.call('ZADD', KEYS[3], redis.call('ZSCORE', KEYS[1], desk), desk)
  else
    redis.call('ZREM', KEYS[3], desk)
  end
end
return added
"""
)

# KEYS due, desks, waits; ARGV desks. Returns how many were in the queue.
DROP = """
redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
return redis.call('ZREM', KEYS[1], unpack(ARGV))
"""

# ARGV now, then host, until. A rest is only ever made longer.
REST = (
    _UNTIL
    + """
for at = 2, #ARGV, 2 do
  local key, limit = 'rest:' .. ARGV[at], tonumber(ARGV[at + 1])
  if limit > until_of(key) then keep(key, ARGV[at + 1], limit - tonumber(ARGV[1])) end
end
"""
)

# ARGV now, then host, requests left, seconds until it is full. Only buckets that are not there are filled so far.
REFILL = """
for at = 2, #ARGV, 3 do
  local milliseconds = math.max(1, math.ceil(tonumber(ARGV[at + 2]) * 1000))
  redis.call('SET', 'bucket:' .. ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[1], 'NX', 'PX', milliseconds)
end
"""

# KEYS stopped; ARGV host.
STOP = "redis.call('SADD', KEYS[1], ARGV[1])"
GO = "redis.call('SREM', KEYS[1], ARGV[1])"

# KEYS stopped; ARGV hosts.
ONLY_STOPPED = """
redis.call('DEL', KEYS[1])
if #ARGV > 0 then redis.call('SADD', KEYS[1], unpack(ARGV)) end
"""

# KEYS stopped. Returns the hosts.
STOPPED = "return redis.call('SMEMBERS', KEYS[1])"

# KEYS lease; ARGV holder, milliseconds. Returns 1 while the lease is the holder's.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""

LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
