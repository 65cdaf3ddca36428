-- Takes a host for one request without a claim (discovery asks the pages of desks).
--
-- KEYS    stopped
-- ARGV    now, an entry as in desks:<queue>, until, holder
-- Result  1 where the request may be made: no other holds the host, which neither rests nor is stopped
-- Changes host:<host> is the holder's until then; one request is taken from the bucket
-- include: _instants
-- include: _buckets

local now, desk = tonumber(ARGV[1]), decode(ARGV[2])
local host = 'crawler:host:' .. desk.host
if redis.call('SISMEMBER', KEYS[1], desk.host) == 1 or until_of('crawler:rest:' .. desk.host) > now then return 0 end
local holder = string.match(redis.call('GET', host) or '', ' (.+)$')
if holder ~= ARGV[4] and until_of(host) > now then return 0 end
local left, at = left_in(desk, now)
if left + SLIP < 1 then return 0 end
fill(desk, left - 1, at)
keep(host, ARGV[3] .. ' ' .. ARGV[4], tonumber(ARGV[3]) - now)
return 1
