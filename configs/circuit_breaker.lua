-- A circuit breaker: may a call be made, and what became of it.
--
-- KEYS[1] hash of the breaker: failures in a row, when it opened, its probe's token, until when that probe may run
-- ARGV    what happened (`ask`, `look`, `success`, `failure`); now, in seconds; seconds of rest; failures that open it;
--         the call's token
-- Result  seconds to wait; 0 where the call may be made. `look` changes nothing
--
-- An open breaker lets one call through after its rest: the probe. Its success closes the breaker, its failure begins
-- another rest. A probe that is never heard of again runs out after one more rest.
-- Instants ahead of now by more than a rest come from a clock that was set ahead: they are over.

local happened, now, rest, most, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local function number(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '0')
end
local function remaining(instant)
  local left = instant - now
  return (left > 0 and left <= rest) and left or 0
end
local failures = number('failures')
if happened == 'success' then
  redis.call('DEL', KEYS[1])
  return '0'
end
if happened == 'ask' or happened == 'look' then
  if failures < most then return '0' end
  local left = math.max(remaining(number('opened') + rest), remaining(number('probe_until')))
  if left > 0 or happened == 'look' then return string.format('%.6f', left) end
  redis.call('HSET', KEYS[1], 'probe', token, 'probe_until', string.format('%.6f', now + rest))
  return '0'
end
if failures >= most then
  -- A call that began before the breaker opened says nothing new.
  if redis.call('HGET', KEYS[1], 'probe') ~= token then return '0' end
  redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
else
  failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  if failures < most then
    redis.call('EXPIRE', KEYS[1], math.ceil(rest) * 240)
    return '0'
  end
end
redis.call('HSET', KEYS[1], 'opened', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(rest) * 240)
return '0'
