-- A place for a message among those that leave in a window.
--
-- KEYS[1] list of the moments of the last messages, the newest first
-- ARGV    the places of a window; now and the window, in seconds
-- Result  seconds until there is a place; 0 where it is taken: none is reserved
-- An instant farther ahead than the window comes from a clock that was set ahead: it is over.

local places, now, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ahead = tonumber(redis.call('LINDEX', KEYS[1], places - 1) or '0') - now
if ahead > -window and ahead <= window then return tostring(ahead + window) end
redis.call('LPUSH', KEYS[1], ARGV[2])
redis.call('LTRIM', KEYS[1], 0, places - 1)
redis.call('EXPIRE', KEYS[1], 60)
return '0'
