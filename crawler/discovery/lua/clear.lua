-- Remove all keys of a run.
--
-- KEYS[1]   prefix of the run's keys
-- ARGV      none
-- result    nil
-- changes   :sites, :taken, :asked, :shapes, :cut and each :at:<site> are removed

for _, site in ipairs(redis.call('HKEYS', KEYS[1] .. ':asked')) do redis.call('DEL', KEYS[1] .. ':at:' .. site) end
for _, site in ipairs(redis.call('ZRANGE', KEYS[1] .. ':sites', 0, -1)) do
  redis.call('DEL', KEYS[1] .. ':at:' .. site)
end
for _, name in ipairs({':sites', ':taken', ':asked', ':shapes', ':cut'}) do redis.call('DEL', KEYS[1] .. name) end
