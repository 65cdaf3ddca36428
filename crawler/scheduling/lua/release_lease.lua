-- Gives up a lease.
--
-- KEYS    the lease
-- ARGV    holder
-- Result  1 where it was the holder's, else 0
-- Changes the lease, where it is the holder's

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
