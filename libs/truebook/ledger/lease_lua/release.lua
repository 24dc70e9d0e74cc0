#!lua flags=allow-oom
-- release: give a lease up, if it is one's own.
--
-- KEYS[1] the lease
-- ARGV[1] who asks
--
-- Returns 1 where it was given up, 0 where it was another's or nobody's.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
