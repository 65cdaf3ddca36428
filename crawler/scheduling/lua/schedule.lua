-- Puts desks into the queue, or brings the entries of those that are in it up to date.
--
-- KEYS    due, desks, waits, idle
-- ARGV    now, then for each desk its entry for desks:<queue>, a JSON object that has beside what claims read:
--           desk_id, due (text)    when it is due, as far as the queue knows no better
--           hurry                  whether a desk that is in the queue may move forward to `due`
--           lost                   whether Redis lost what its host was asked: its bucket begins empty
-- Result  how many desks are new
-- Changes members and scores in due, waits and idle, fields of desks, bucket:<host>
--
-- A desk that is in the queue only ever moves forward, and only where it is hurried.
-- include: _instants
-- include: _buckets

local added = 0
for item = 2, #ARGV do
  local desk = decode(ARGV[item])
  local name = desk.desk_id
  redis.call('HSET', KEYS[2], name, ARGV[item])
  added = added + redis.call('ZADD', KEYS[1], desk.hurry and 'LT' or 'NX', text(desk.due + shift), name)
  local own, other = KEYS[3], KEYS[4]
  if not desk.waits then own, other = other, own end
  redis.call('ZADD', own, redis.call('ZSCORE', KEYS[1], name), name)
  redis.call('ZREM', other, name)
  if desk.lost then fill(desk, 0, now) end
end
return added
