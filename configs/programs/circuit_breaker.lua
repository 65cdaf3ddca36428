-- A circuit breaker: may a call be made, and what became of it.
--
-- KEYS[1] hash of the breaker: failures in a row, when it opened, its probe's token, until when that probe may run, until
--         when the provider asked to be left alone
-- KEYS[2] list of the seconds that its last answers took
-- ARGV    what happened (`ask`, `look`, `success`, `failure`, `flood`); now, in seconds; seconds of rest; failures that
--         open it; the call's token; seconds that its answer took, or that it asks to wait; seconds above which answers
--         are slow (0: none is)
-- Result  seconds to wait; 0 where the call may be made. `look` changes nothing
--
-- An open breaker lets one call through after its rest: the probe. Its success closes the breaker, its failure begins
-- another rest. A probe that is never heard of again runs out after one more rest. Answers that are slow in the median
-- open it too, and a slow probe has failed.
-- Instants ahead of now by more than a rest come from a clock that was set ahead: they are over.

local happened, now, rest, most, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local seconds, slow = tonumber(ARGV[6]), tonumber(ARGV[7])
local TIMES, ENOUGH, LONGEST_FLOOD = 20, 5, 900
local function number(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '0')
end
local function remaining(instant)
  local left = instant - now
  return (left > 0 and left <= rest) and left or 0
end
local function open()
  redis.call('HSET', KEYS[1], 'failures', most, 'opened', string.format('%.6f', now))
  redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
  redis.call('EXPIRE', KEYS[1], math.ceil(rest) * 240)
  redis.call('DEL', KEYS[2])
  return '0'
end
local function are_slow()
  redis.call('LPUSH', KEYS[2], ARGV[6])
  redis.call('LTRIM', KEYS[2], 0, TIMES - 1)
  redis.call('EXPIRE', KEYS[2], math.ceil(rest) * 240)
  local times = redis.call('LRANGE', KEYS[2], 0, -1)
  if #times < ENOUGH then return false end
  for place, each in ipairs(times) do times[place] = tonumber(each) end
  table.sort(times)
  return times[math.ceil(#times / 2)] > slow
end
if happened == 'flood' then
  seconds = math.min(seconds, LONGEST_FLOOD)
  redis.call('HSET', KEYS[1], 'flood', string.format('%.6f', now + seconds))
  redis.call('EXPIRE', KEYS[1], math.max(math.ceil(rest) * 240, LONGEST_FLOOD))
  return '0'
end
local failures = number('failures')
local is_open = failures >= most
if happened == 'ask' or happened == 'look' then
  local flood = number('flood') - now
  if flood > 0 and flood <= LONGEST_FLOOD then return string.format('%.6f', flood) end
  if not is_open then return '0' end
  local left = math.max(remaining(number('opened') + rest), remaining(number('probe_until')))
  if left > 0 or happened == 'look' then return string.format('%.6f', left) end
  redis.call('HSET', KEYS[1], 'probe', token, 'probe_until', string.format('%.6f', now + rest))
  return '0'
end
if happened == 'success' and not (is_open and slow > 0 and seconds > slow) then
  if slow > 0 and not is_open and are_slow() then return open() end
  redis.call('HDEL', KEYS[1], 'failures', 'opened', 'probe', 'probe_until')
  return '0'
end
if is_open then
  -- A call that began before the breaker opened says nothing new.
  if redis.call('HGET', KEYS[1], 'probe') ~= token then return '0' end
  return open()
end
if redis.call('HINCRBY', KEYS[1], 'failures', 1) >= most then return open() end
redis.call('EXPIRE', KEYS[1], math.ceil(rest) * 240)
return '0'
