-- Takes a rate token for one message, or says when to ask again. A sliding window: no second holds more grants than
-- the rate.
--
-- KEYS[1] grants: sorted set of "<notification>:<instant>" by instant
-- KEYS[2] the message's line: sorted set of places (contacts) by the instant at which each asks again
-- KEYS[3] the last instant that was given to a message that is not critical
-- KEYS[4] the last grant of the message's chat
-- KEYS[5] grants to messages of crowds, as KEYS[1]
-- KEYS[6] the other line: that of crowds, or for a message of a crowd that of all others
-- ARGV    notification; now, in seconds; messages a second; seconds between two messages of a chat (0: any);
--         seconds that a line is remembered; "1" where it is critical; its place; how many of the rate no crowd takes;
--         "1" where it is of a crowd; "1" where it only asks for its place, and is sent later
-- Result  an instant in seconds: not after now where the token is taken, else when to ask again
-- Changes all keys but the other line, each with an expiry.
--
-- A critical message without a token, or that only asks for its place, gets one in line: one place for all that wait
-- for the same contact, as they leave together. All others leave room for the places of the next second, and of the
-- last two, whose owners the sweep still brings. A place is no grant: a message that comes late counts again, and goes
-- to the end of the line where no token is left. Messages of lower priority hold no place: they get instants to ask
-- again at, one after the other, and leave a fifth of the rate free.
-- Messages of a crowd have a line of their own, in which a second has fewer places. What is reserved goes to critical
-- messages of no crowd, however long that line is; more than that they get where it leaves room.
-- Instants further ahead than any can be (grants 5 s, the line as long as it is, others an hour) come from a clock that
-- was set ahead: they are ignored.

local id, now, rate, apart = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept, critical, place = tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7]
local reserved, crowd, place_only = tonumber(ARGV[8]), ARGV[9] == '1', ARGV[10] == '1'
local clocks_differ = 0.25  -- seconds
local limit = crowd and rate - reserved or rate
local function text(instant) return string.format('%.6f', instant) end
for _, grants in ipairs({KEYS[1], KEYS[5]}) do
  redis.call('ZREMRANGEBYSCORE', grants, '(' .. text(now + 5), '+inf')
  redis.call('ZREMRANGEBYSCORE', grants, '-inf', text(now - 1))
end
local longest = kept + redis.call('ZCARD', KEYS[2]) / limit
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. text(now + longest), '+inf')
local function instant_of(key, latest)
  local instant = tonumber(redis.call('GET', key) or '0')
  return instant <= now + latest and instant or 0
end
local mine = redis.call('ZSCORE', KEYS[2], place)
if mine and (place_only or tonumber(mine) > now) then return mine end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - kept))
local function places(line) return mine and 0 or redis.call('ZCOUNT', line, text(now - 2), '(' .. text(now + 1)) end
local granted, to_crowds, ahead_now = redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[5]), places(KEYS[2])
local used = granted + ahead_now + places(KEYS[6])
local most = critical and rate or math.max(1, rate - math.ceil(rate / 5))
local free_now = used < most
if crowd then free_now = free_now and to_crowds + ahead_now < limit
elseif critical then free_now = free_now or (granted < rate and granted - to_crowds + ahead_now < reserved) end
local chat = apart > 0 and instant_of(KEYS[4], 5) + apart or 0
redis.call('ZREM', KEYS[2], place)
if free_now and chat <= now and place_only then
  redis.call('ZADD', KEYS[2], text(now - clocks_differ), place)  -- due at once, also by a clock that is behind
  redis.call('EXPIRE', KEYS[2], math.max(kept, redis.call('TTL', KEYS[2])))
  return text(now)
end
if free_now and chat <= now then
  for _, grants in ipairs({KEYS[1], crowd and KEYS[5] or nil}) do
    redis.call('ZADD', grants, text(now), id .. ':' .. text(now))
    redis.call('EXPIRE', grants, kept)
  end
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
if ahead >= limit then before = redis.call('ZREVRANGE', KEYS[2], limit - 1, limit - 1, 'WITHSCORES')
else
  before = redis.call('ZREVRANGE', crowd and KEYS[5] or KEYS[1], limit - ahead - 1, limit - ahead - 1, 'WITHSCORES')
end
local free = math.max(chat, now + 0.001)
if before[2] then free = math.max(free, tonumber(before[2]) + 1)
elseif not free_now then free = math.max(free, now + 1) end
redis.call('ZADD', KEYS[2], text(free), place)
redis.call('EXPIRE', KEYS[2], math.ceil(free - now) + kept)
return text(free)
