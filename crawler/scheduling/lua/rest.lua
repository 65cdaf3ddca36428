-- Lets hosts rest. A rest is only ever made longer; one that is over still tells who refused us lately.
--
-- KEYS    none
-- ARGV    now, then host, until for each
-- Result  none
-- Changes rest:<host>, refused:<host>
-- include: _instants

for at = 2, #ARGV, 2 do
  local key, limit = 'crawler:rest:' .. ARGV[at], ARGV[at + 1] + shift
  if limit > until_of(key) then
    if limit > now then keep(key, text(limit), limit - now) end
    keep('crawler:refused:' .. ARGV[at], text(limit), limit - now + OWN_NAME)
  end
end
