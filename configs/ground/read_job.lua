-- A job as RQ keeps it, as long as it has the form and the size of ours: another one is not even sent to the worker.
--
-- KEYS[1] hash of the job
-- ARGV    most fields; most bytes of one field
-- Result  the fields and values; nothing where there is no job, 0 where it is none of ours

local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  return {}
end
if kind ~= 'hash' or redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) then
  return 0
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('HSTRLEN', KEYS[1], field) > tonumber(ARGV[2]) then
    return 0
  end
end
return redis.call('HGETALL', KEYS[1])
