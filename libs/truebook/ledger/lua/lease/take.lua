#!lua flags=allow-oom
-- take: take a lease that is free, or renew one's own.
--
-- KEYS[1] the lease
-- ARGV[1] the owner
-- ARGV[2] its duration from now on, in milliseconds
--
-- Returns 1 if the lease is now the owner's, 0 if it is another's.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
