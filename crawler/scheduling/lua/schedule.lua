-- Puts desks into the queue, or brings the entries of those that are in it up to date.
--
-- KEYS    due, desks, waits, idle
-- ARGV    for each desk: its entry for desks:<queue> (JSON), and a JSON object:
--           desk, due (text)    when it is due, as far as the queue knows no better
--           hurry               whether a desk that is in the queue may move forward to `due`
--           latest (text)       the latest instant that a healthy clock can have put into the queue ("inf": any)
-- Result  how many desks are new
-- Changes members and scores in due, waits and idle, fields of desks
--
-- A desk that is in the queue only ever moves forward, and only where it is hurried or due after `latest`: a clock that
-- was set ahead put it there.
-- include: _instants
-- include: _buckets

local added = 0
for at = 1, #ARGV, 2 do
  local entry, plan = ARGV[at], cjson.decode(ARGV[at + 1])
  redis.call('HSET', KEYS[2], plan.desk, entry)
  local set = tonumber(redis.call('ZSCORE', KEYS[1], plan.desk))
  local nearer = plan.hurry or (set and set > (tonumber(plan.latest) or math.huge))
  added = added + redis.call('ZADD', KEYS[1], nearer and 'LT' or 'NX', plan.due, plan.desk)
  local own, other = KEYS[3], KEYS[4]
  if not decode(entry).waits then own, other = other, own end
  redis.call('ZADD', own, redis.call('ZSCORE', KEYS[1], plan.desk), plan.desk)
  redis.call('ZREM', other, plan.desk)
end
return added
