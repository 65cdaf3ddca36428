-- Reads which hosts are stopped.
--
-- KEYS    stopped
-- ARGV    none
-- Result  the hosts
-- Changes nothing

return redis.call('SMEMBERS', KEYS[1])
