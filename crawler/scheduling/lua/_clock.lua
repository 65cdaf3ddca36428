-- Instants in Redis go by its own clock, one for all machines. ARGV[1] is now by the caller's clock, as are the instants
-- that it gives and gets: they are `shift` seconds less than ours.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local shift = now - ARGV[1]
