-- Let a request wait for its site's turn, unless enough requests of the site, or of its shape, wait already.
--
-- KEYS[1]   prefix of the run's keys
-- ARGV      now, site, score (lower is asked first), request, shape,
--           most requests of one shape, most waiting requests of one site, seconds until the keys expire
-- result    1 if the request waits now, else 0
-- changes   :at:<site>  sorted set  + request
--           :sites      sorted set  + site (may be asked from now on), unless it is there
--           :shapes     hash        + 1 for "<site> <shape>"
--           :cut        set         + site, where the request was refused for the site's limit
--           all keys of the run expire after the given seconds: an abandoned run leaves nothing

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
