-- Take the best request of a site whose turn it is.
--
-- One process at a time asks a site: it holds the site until it finishes the request, or until the hold time is over.
-- Then the next process gets the same request again, up to the given number of tries.
--
-- KEYS[1]   prefix of the run's keys
-- ARGV      now, hold (seconds), most pages of one site, most tries of one request, seconds until the keys expire
-- result    the request, or nil if no site may be asked now
-- changes   :taken      hash        site -> "<tries> <request>"
--           :sites      sorted set  the site's next turn is after the hold; a site without requests is removed
--           :at:<site>  sorted set  - request (all requests, once the site has had its most pages)
--           :asked      hash        + 1 for the site
--           :cut        set         + site, where requests were dropped

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
