-- Numbers the versions of the code in the order in which they first came.
--
-- KEYS    versions
-- ARGV    version, then (version, number)… as the caller remembers them
-- Result  {version, number, …}, in order
-- Changes versions: what it lost of those remembered is restored, a new version gets the next number

for at = 2, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'NX', ARGV[at + 1], ARGV[at]) end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', KEYS[1], tonumber(last or 0) + 1, ARGV[1])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -101)
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
