-- Waits that Telegram asks for: may a call be made, and what became of it.
--
-- KEYS[1] sorted set of waits: by chat until when, `*` the bot; KEYS[2] sorted set of the chats told to wait, by when
-- ARGV    what happened (`ask`, `yes`, `flood`, or `reply`: a flood that says nothing of the bot); the chat; now and the
--         wait, in seconds
-- Result  seconds to wait; 0 where the call may be made; -1 where it is the one that tries for the bot
-- An instant farther ahead than any wait comes from a clock that was set ahead: it is over.

local WITHIN, CHATS, BOT_MOST, CHAT_MOST, TRY = 10, 3, 60, 900, 15
local happened, chat, now, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local function left(name)
  local remaining = (tonumber(redis.call('ZSCORE', KEYS[1], name) or '0')) - now
  return (remaining > 0 and remaining <= CHAT_MOST) and remaining or 0
end
local function wait(name, most)
  redis.call('ZADD', KEYS[1], now + math.min(seconds, most), name)
  redis.call('EXPIRE', KEYS[1], CHAT_MOST)
end
local is_resting = redis.call('ZSCORE', KEYS[1], '*')
if happened == 'ask' then
  local longest = math.max(left(chat), left('*'))
  if longest > 0 then return tostring(longest) end
  if not is_resting then return '0' end
  seconds = TRY
  wait('*', TRY)
  return '-1'
end
if happened == 'yes' then
  redis.call('ZREM', KEYS[1], '*')
  return '0'
end
wait(chat, CHAT_MOST)
if happened == 'reply' then return '0' end
redis.call('ZADD', KEYS[2], now, chat)
redis.call('EXPIRE', KEYS[2], WITHIN)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - WITHIN)
local told = redis.call('ZRANGE', KEYS[2], 0, -1)
if is_resting or #told >= CHATS then
  for _, each in ipairs(told) do seconds = math.min(seconds, math.max(left(each), 1)) end
  wait('*', BOT_MOST)
end
return '0'
