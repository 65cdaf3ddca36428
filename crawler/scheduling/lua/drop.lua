-- Takes desks out of the queue.
--
-- KEYS    due, desks, waits, idle
-- ARGV    desks, at least one
-- Result  how many were in the queue
-- Changes members of due, waits and idle, fields of desks

redis.call('ZREM', KEYS[3], unpack(ARGV))
redis.call('ZREM', KEYS[4], unpack(ARGV))
redis.call('HDEL', KEYS[2], unpack(ARGV))
return redis.call('ZREM', KEYS[1], unpack(ARGV))
