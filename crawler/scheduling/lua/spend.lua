-- Pays for one more request of a running visit, out of its host's bucket or that of the host it was handed to.
--
-- KEYS    desks, stopped
-- ARGV    now, desk, token; where the visit was handed to another host: a desk there, and its entry as desks:<queue>
--         would hold it (it counts while the planner has written none)
-- Result  1 where the request may be made: the visit still holds its own host, the host is not stopped (the other one
--         does not rest either), and the bucket holds a request
-- Changes the bucket of the host that is asked
--
-- Other visits may be at the host that a visit was handed to. They are not waited for, but its rest and bucket count.
-- include: _instants
-- include: _buckets

local now, desk = tonumber(ARGV[1]), decode(redis.call('HGET', KEYS[1], ARGV[2]))
if not desk or redis.call('SISMEMBER', KEYS[2], desk.host) == 1 then return 0 end
local holder = string.match(redis.call('GET', 'crawler:host:' .. desk.host) or '', ' (.+)$')
if holder ~= ARGV[2] .. ' ' .. ARGV[3] then return 0 end
if ARGV[4] then
  local there = decode(ARGV[5])
  local planned = decode(redis.call('HGET', KEYS[1], ARGV[4]))
  desk = planned and planned.host == there.host and planned or there
  if redis.call('SISMEMBER', KEYS[2], desk.host) == 1 or until_of('crawler:rest:' .. desk.host) > now then return 0 end
end
local left, at = left_in(desk, now)
if left + SLIP < 1 then return 0 end
fill(desk, left - 1, at)
return 1
