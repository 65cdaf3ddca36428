-- Pays for one more request of a running visit, out of its host's bucket.
--
-- KEYS    desks, stopped
-- ARGV    now, desk, token
-- Result  1 where the request may be made: the visit still holds its host, the host is not stopped, and the bucket holds
--         a request
-- Changes the host's bucket
-- include: _instants
-- include: _buckets

local desk = decode(redis.call('HGET', KEYS[1], ARGV[2]))
if not desk or redis.call('SISMEMBER', KEYS[2], desk.host) == 1 then return 0 end
local holder = string.match(redis.call('GET', 'crawler:host:' .. desk.host) or '', ' (.+)$')
if holder ~= ARGV[2] .. ' ' .. ARGV[3] then return 0 end
local left, at = left_in(desk, now)
if left + SLIP < 1 then return 0 end
fill(desk, left - 1, at)
return 1
