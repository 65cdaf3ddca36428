-- Gives back a host that acquire_host took: from now until then it is left alone, by everybody.
--
-- KEYS    host:<host>
-- ARGV    now, until, holder
-- Result  none
-- Changes host:<host>, where it is still the holder's
-- include: _instants

if string.match(redis.call('GET', KEYS[1]) or '', ' (.+)$') == ARGV[3] then
  keep(KEYS[1], ARGV[2], tonumber(ARGV[2]) - tonumber(ARGV[1]))
end
