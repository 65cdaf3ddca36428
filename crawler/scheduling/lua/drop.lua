-- Takes desks out of the queue.
--
-- KEYS    due, desks, waits
-- ARGV    desks, at least one
-- Result  how many were in the queue
-- Changes members of due and waits, fields of desks

redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
return redis.call('ZREM', KEYS[1], unpack(ARGV))
