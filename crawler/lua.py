"""The due queue's scripts: each is atomic in Redis and told the time, so that a frozen clock freezes it too.

Keys: `due:<system>` sorted set of desks by the second they are due; `desks:<system>` hash, desk → "<gap> <host>";
`<system>:checks` list an operator pushes desk ids to; `token:<desk>` counter; `host:<host>` "<until> <desk> <token>"
while a visit holds it, "<until>" while it only rests between two; `rest:<host>` and `floor:<desk>` "<until>";
`stopped` set of the hosts that an operator stopped.
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

# KEYS due, desks, pushed, stopped; ARGV now, places, hold (seconds).
# Returns {{desk, token, due}…, wake ('' if nothing waits), refused pushes}.
CLAIM = (
    _UNTIL
    + """
local now, places, hold = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local claims, refused, wake, skipped = {}, {}, math.huge, 0

for _, desk in ipairs(redis.call('LPOP', KEYS[3], 100) or {}) do
  if redis.call('ZSCORE', KEYS[1], desk) then
    redis.call('ZADD', KEYS[1], 'LT', ARGV[1], desk)
  else
    refused[#refused + 1] = desk
  end
end

local function take(desk, due, gap, host)
  local token = redis.call('INCR', 'token:' .. desk)
  local limit = string.format('%.6f', now + hold)
  redis.call('ZADD', KEYS[1], limit, desk)
  keep('host:' .. host, limit .. ' ' .. desk .. ' ' .. token, hold)
  keep('floor:' .. desk, string.format('%.6f', now + gap), gap)
  claims[#claims + 1] = {desk, token, due}
end

while #claims < places do
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', skipped, 200)
  if #page == 0 then break end
  for at = 1, #page, 2 do
    if #claims == places then break end
    local desk, due = page[at], page[at + 1]
    local gap, host = string.match(redis.call('HGET', KEYS[2], desk) or '', '^(%S+) (%S+)$')
    if not host then
      redis.call('ZREM', KEYS[1], desk)
    else
      local free = math.max(until_of('host:' .. host), until_of('rest:' .. host), until_of('floor:' .. desk))
      if redis.call('SISMEMBER', KEYS[4], host) == 1 then
        skipped = skipped + 1
      elseif free <= now then
        take(desk, due, tonumber(gap), host)
      else
        wake = math.min(wake, free)
        skipped = skipped + 1
      end
    end
  end
end

local following = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if following[2] then wake = math.min(wake, tonumber(following[2])) end
return {claims, wake == math.huge and '' or string.format('%.6f', wake), refused}
"""
)

# KEYS due; ARGV now, then for each visit: desk, token, due again, host, between visits until, rest until.
# Returns for each visit whether its token was still the desk's own.
FINISH = (
    _UNTIL
    + """
local now, own = tonumber(ARGV[1]), {}
for at = 2, #ARGV, 6 do
  local desk, token, due, host = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local between, rest = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  if redis.call('GET', 'token:' .. desk) == token then
    redis.call('ZADD', KEYS[1], 'XX', due, desk)
    own[#own + 1] = 1
  else
    own[#own + 1] = 0
  end
  local holder = string.match(redis.call('GET', 'host:' .. host) or '', ' (.+)$')
  if holder == desk .. ' ' .. token then
    keep('host:' .. host, ARGV[at + 4], between - now)
  end
  if rest > until_of('rest:' .. host) then keep('rest:' .. host, ARGV[at + 5], rest - now) end
end
return own
"""
)

# KEYS due, desks; ARGV for each desk: desk, host, gap (seconds), due, last token, hurry (1: earlier is better).
# A desk that is already in the queue only ever moves forward, and only where it is hurried. Returns how many are new.
SCHEDULE = """
local added = 0
for at = 1, #ARGV, 6 do
  local desk, due, last = ARGV[at], ARGV[at + 3], tonumber(ARGV[at + 4])
  redis.call('HSET', KEYS[2], desk, ARGV[at + 2] .. ' ' .. ARGV[at + 1])
  if tonumber(redis.call('GET', 'token:' .. desk) or 0) < last then redis.call('SET', 'token:' .. desk, last) end
  added = added + redis.call('ZADD', KEYS[1], ARGV[at + 5] == '1' and 'LT' or 'NX', due, desk)
end
return added
"""

# KEYS due, desks; ARGV desks. Returns how many were in the queue.
DROP = """
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

# KEYS seat; ARGV holder, milliseconds. Returns 1 while the seat is the holder's.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""

LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
