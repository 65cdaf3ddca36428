-- Puts desks into the queue, or brings the entries of those that are in it up to date.
--
-- KEYS    due, desks, waits, idle
-- ARGV    now, then for each desk: its entry for desks:<queue> (JSON), and a JSON object:
--           desk, due (text)    when it is due, as far as the queue knows no better
--           hurry               whether a desk that is in the queue may move forward to `due`
--           lost                whether Redis lost what its host was asked: its bucket begins empty
-- Result  how many desks are new
-- Changes members and scores in due, waits and idle, fields of desks, bucket:<host>
--
-- A desk that is in the queue only ever moves forward, and only where it is hurried.
-- include: _instants
-- include: _buckets

local added = 0
for at = 2, #ARGV, 2 do
  local entry, plan = ARGV[at], cjson.decode(ARGV[at + 1])
  local desk = decode(entry)
  redis.call('HSET', KEYS[2], plan.desk, entry)
  added = added + redis.call('ZADD', KEYS[1], plan.hurry and 'LT' or 'NX', text(plan.due + shift), plan.desk)
  local own, other = KEYS[3], KEYS[4]
  if not desk.waits then own, other = other, own end
  redis.call('ZADD', own, redis.call('ZSCORE', KEYS[1], plan.desk), plan.desk)
  redis.call('ZREM', other, plan.desk)
  if plan.lost then fill(desk, 0, now) end
end
return added
