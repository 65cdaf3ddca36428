-- Ends visits: re-arms their desks and frees their hosts, where both are still the visits' own.
--
-- KEYS    due, desks, waits, idle
-- ARGV    now, then a JSON object for each visit:
--           desk_id, token, due (text)          when the desk is due again
--           host, between (text)                until when its host is left alone between two visits
--           rest (text)                         until when the host rests that refused us (null: it does not)
--           unused                              requests that the claim paid for and the visit did not make
-- Result  for each visit 1 where its token was still the desk's own, else 0
-- Changes scores in due, waits and idle, host:<host>, bucket:<host>, rest:<host>, refused:<host>; desks that a claim put off
--         because of this visit are looked at by the next one
--
-- A rest is kept whoever holds the host: the site said so.
-- include: _instants
-- include: _buckets

local own = {}
for item = 2, #ARGV do
  local visit = cjson.decode(ARGV[item])
  local desk_id, token = visit.desk_id, string.format('%.0f', visit.token)
  local due, between = visit.due + shift, visit.between + shift
  local rest = visit.rest == cjson.null and 0 or visit.rest + shift
  if redis.call('GET', 'crawler:token:' .. desk_id) == token then
    redis.call('ZADD', KEYS[1], 'XX', text(due), desk_id)
    redis.call('ZADD', KEYS[3], 'XX', text(due), desk_id)
    redis.call('ZADD', KEYS[4], 'XX', text(due), desk_id)
    own[#own + 1] = 1
  else
    own[#own + 1] = 0
  end
  local held = redis.call('GET', 'crawler:host:' .. visit.host)
  local holder = held and string.match(held, ' (.+)$')
  if holder == desk_id .. ' ' .. token then
    keep('crawler:host:' .. visit.host, text(between), between - now)
    for _, name in ipairs(redis.call('SMEMBERS', 'crawler:behind:' .. visit.host)) do
      redis.call('ZADD', KEYS[3], 'XX', 'LT', text(now), name)
      redis.call('ZADD', KEYS[4], 'XX', 'LT', text(now), name)
    end
    redis.call('DEL', 'crawler:behind:' .. visit.host)
    local desk = visit.unused > 0 and decode(redis.call('HGET', KEYS[2], desk_id))
    if desk then
      local left, at = left_in(desk, now)
      fill(desk, math.min(desk.capacity, left + visit.unused), at)
    end
  elseif not holder and between > math.max(now, until_of('crawler:host:' .. visit.host)) then
    keep('crawler:host:' .. visit.host, text(between), between - now)
  end
  if rest > until_of('crawler:rest:' .. visit.host) then
    keep('crawler:rest:' .. visit.host, text(rest), rest - now)
    keep('crawler:refused:' .. visit.host, text(rest), rest - now + OWN_NAME)
  end
end
return own
