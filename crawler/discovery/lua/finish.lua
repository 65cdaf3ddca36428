-- Mark a taken request as finished and let its site rest.
--
-- KEYS[1]   prefix of the run's keys
-- ARGV      now, site, request, delay (seconds)
-- result    1 if the caller still held the request, else 0 and nothing changes
-- changes   :taken  hash        - site
--           :sites  sorted set  the site's next turn is after the delay; a site without requests is removed

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
