"""The queue's scripts: each is atomic in Redis and told the time.

Keys, all under the run's own: `sites` sorted set, site → second from which on it may be asked; `at:<site>` sorted set
of its requests, the best first; `taken` hash, site → "<tries> <request>" that some process is at; `asked` hash, site →
pages asked; `shapes` hash, "<site> <shape>" → pages of that shape; `cut` set of sites not walked to their end.
Keys go by themselves a while after the last push: a run that nobody ends leaves nothing.
"""

# KEYS base; ARGV now, site, score, request, shape, most of a shape, most waiting, seconds until all is forgotten.
# Returns 1 where it waits now.
PUSH = """
local base, site, seconds = KEYS[1], ARGV[2], tonumber(ARGV[8])
local queue, shape = base .. ':at:' .. site, site .. ' ' .. ARGV[5]
if redis.call('ZCARD', queue) >= tonumber(ARGV[7]) then
  redis.call('SADD', base .. ':cut', site)
elseif redis.call('HINCRBY', base .. ':shapes', shape, 1) <= tonumber(ARGV[6]) then
  redis.call('ZADD', queue, ARGV[3], ARGV[4])
  redis.call('ZADD', base .. ':sites', 'NX', ARGV[1], site)
end
for _, name in ipairs({':sites', ':at:' .. site, ':taken', ':asked', ':shapes', ':cut'}) do
  redis.call('EXPIRE', base .. name, seconds)
end
return redis.call('ZSCORE', queue, ARGV[4]) and 1 or 0
"""

# KEYS base; ARGV now, hold (seconds), most pages of a site, most tries, seconds until all is forgotten.
# One site at a time is asked by one process: until that is done with it, or has been silent for the hold, nobody
# else gets a page of it; then its request is given to the next who asks. Returns the request or nil.
POP = """
local base, now, hold = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
for _, site in ipairs(redis.call('ZRANGEBYSCORE', base .. ':sites', '-inf', now)) do
  local queue, tries, request = base .. ':at:' .. site, 1, nil
  local taken = redis.call('HGET', base .. ':taken', site)
  if taken then
    local before, kept = string.match(taken, '^(%d+) (.*)$')
    tries = tonumber(before) + 1
    if tries <= tonumber(ARGV[4]) then request = kept end
  end
  if not request then
    tries = 1
    if tonumber(redis.call('HGET', base .. ':asked', site) or 0) >= tonumber(ARGV[3]) then
      if redis.call('DEL', queue) == 1 then redis.call('SADD', base .. ':cut', site) end
    end
    request = redis.call('ZRANGE', queue, 0, 0)[1]
    if request then
      redis.call('ZREM', queue, request)
      redis.call('HINCRBY', base .. ':asked', site, 1)
    end
  end
  if request then
    redis.call('HSET', base .. ':taken', site, tries .. ' ' .. request)
    for _, name in ipairs({':taken', ':asked', ':cut'}) do redis.call('EXPIRE', base .. name, tonumber(ARGV[5])) end
    redis.call('ZADD', base .. ':sites', now + hold, site)
    return request
  end
  redis.call('HDEL', base .. ':taken', site)
  redis.call('ZREM', base .. ':sites', site)
end
return nil
"""

# KEYS base; ARGV now, site, request, delay (seconds). Returns 1 where the request was the caller's still.
DONE = """
local base, site = KEYS[1], ARGV[2]
local taken = redis.call('HGET', base .. ':taken', site)
if not taken or string.match(taken, '^%d+ (.*)$') ~= ARGV[3] then return 0 end
redis.call('HDEL', base .. ':taken', site)
if redis.call('ZCARD', base .. ':at:' .. site) > 0 then
  redis.call('ZADD', base .. ':sites', tonumber(ARGV[1]) + tonumber(ARGV[4]), site)
else
  redis.call('ZREM', base .. ':sites', site)
end
return 1
"""

# KEYS base; ARGV site. Whatever a site still has to ask is given up, also what its last page leads to.
LEAVE = """
redis.call('DEL', KEYS[1] .. ':at:' .. ARGV[1])
redis.call('SADD', KEYS[1] .. ':cut', ARGV[1])
"""

# KEYS base. Forgets the run.
CLEAR = """
for _, site in ipairs(redis.call('HKEYS', KEYS[1] .. ':asked')) do redis.call('DEL', KEYS[1] .. ':at:' .. site) end
for _, site in ipairs(redis.call('ZRANGE', KEYS[1] .. ':sites', 0, -1)) do
  redis.call('DEL', KEYS[1] .. ':at:' .. site)
end
for _, name in ipairs({':sites', ':taken', ':asked', ':shapes', ':cut'}) do redis.call('DEL', KEYS[1] .. name) end
"""
