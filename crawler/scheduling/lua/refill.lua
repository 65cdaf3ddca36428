-- Restores buckets that an emptied Redis lost, filled as far as their hosts' last requests allow.
--
-- KEYS    none
-- ARGV    now, then host, requests left, seconds until it is full for each
-- Result  none
-- Changes bucket:<host>, where there is none

for at = 2, #ARGV, 3 do
  local milliseconds = math.max(1, math.ceil(tonumber(ARGV[at + 2]) * 1000))
  redis.call('SET', 'crawler:bucket:' .. ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[1], 'NX', 'PX', milliseconds)
end
