-- Stops a host: none of its desks is claimed, no visit to it makes a request more.
--
-- KEYS    stopped
-- ARGV    host
-- Result  none that counts
-- Changes the set `stopped`

redis.call('SADD', KEYS[1], ARGV[1])
