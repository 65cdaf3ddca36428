-- Stops these hosts and no other.
--
-- KEYS    stopped
-- ARGV    hosts
-- Result  none
-- Changes the set `stopped`

redis.call('DEL', KEYS[1])
if #ARGV > 0 then redis.call('SADD', KEYS[1], unpack(ARGV)) end
