-- Lets a stopped host be asked again.
--
-- KEYS    stopped
-- ARGV    host
-- Result  none that counts
-- Changes the set `stopped`

redis.call('SREM', KEYS[1], ARGV[1])
