-- Takes or renews a lease (of a spider, of the keeper).
--
-- KEYS    the lease
-- ARGV    holder, milliseconds
-- Result  1 where the lease is the holder's now, else 0
-- Changes the lease and its expiry

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
