-- Takes a rate token for one message, or says when to ask again. A sliding window: no second holds more grants than
-- the rate.
--
-- KEYS[1] grants: sorted set of "<notification>:<instant>" by instant
-- KEYS[2] the line: sorted set of places (contacts) by the instant at which each asks again
-- KEYS[3] the last instant that was given to a message that is not critical
-- KEYS[4] the last grant of the message's chat
-- ARGV    notification; now, in seconds; messages a second; seconds between two messages of a chat (0: any);
--         seconds that a line is remembered; "1" where it is critical; its place
-- Result  an instant in seconds: not after now where the token is taken, else when to ask again
-- Changes all four keys, each with an expiry.
--
-- A critical message without a token gets a place in line: one place for all that wait for the same contact, as they
-- leave together. All others leave room for the places of the next second, and of the last two, whose owners the sweep
-- still brings. A place is no grant: a message that comes late counts again, and goes to the end of the line where no
-- token is left. Messages of lower priority hold no place: they get instants to ask again at, one after the other, and
-- leave a fifth of the rate free.
-- Instants further ahead than any can be (grants 5 s, the line as long as it is, others an hour) come from a clock that
-- was set ahead: they are ignored.

local id, now, rate, apart = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept, critical, place = tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7]
local function text(instant) return string.format('%.6f', instant) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. text(now + 5), '+inf')
local longest = kept + redis.call('ZCARD', KEYS[2]) / rate
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. text(now + longest), '+inf')
local function instant_of(key, latest)
  local instant = tonumber(redis.call('GET', key) or '0')
  return instant <= now + latest and instant or 0
end
local mine = redis.call('ZSCORE', KEYS[2], place)
if mine and tonumber(mine) > now then return mine end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - 1))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - kept))
local used = redis.call('ZCARD', KEYS[1])
if not mine then used = used + redis.call('ZCOUNT', KEYS[2], text(now - 2), '(' .. text(now + 1)) end
local most = critical and rate or math.max(1, rate - math.ceil(rate / 5))
local chat = apart > 0 and instant_of(KEYS[4], 5) + apart or 0
redis.call('ZREM', KEYS[2], place)
if used < most and chat <= now then
  redis.call('ZADD', KEYS[1], text(now), id .. ':' .. text(now))
  redis.call('EXPIRE', KEYS[1], kept)
  if apart > 0 then redis.call('SET', KEYS[4], text(now), 'EX', math.ceil(apart) + kept) end
  return text(now)
end
if not critical then
  local last = instant_of(KEYS[3], 3600)
  local again = text(math.max(now + 1, last + 1 / most, chat))
  redis.call('SET', KEYS[3], again, 'EX', math.ceil(again - now) + kept)
  return again
end
local ahead = redis.call('ZCOUNT', KEYS[2], '(' .. text(now), '+inf')
local before
if ahead >= rate then before = redis.call('ZREVRANGE', KEYS[2], rate - 1, rate - 1, 'WITHSCORES')
else before = redis.call('ZREVRANGE', KEYS[1], rate - ahead - 1, rate - ahead - 1, 'WITHSCORES') end
local free = math.max(chat, now + 0.001)
if before[2] then free = math.max(free, tonumber(before[2]) + 1)
elseif used >= most then free = math.max(free, now + 1) end
redis.call('ZADD', KEYS[2], text(free), place)
redis.call('EXPIRE', KEYS[2], math.ceil(free - now) + kept)
return text(free)
