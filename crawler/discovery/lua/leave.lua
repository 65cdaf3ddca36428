-- Drop all waiting requests of a site.
--
-- KEYS[1]   prefix of the run's keys
-- ARGV      site
-- result    nil
-- changes   :at:<site>  removed
--           :cut        set  + site

redis.call('DEL', KEYS[1] .. ':at:' .. ARGV[1])
redis.call('SADD', KEYS[1] .. ':cut', ARGV[1])
