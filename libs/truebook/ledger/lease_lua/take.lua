#!lua flags=allow-oom
-- take: take a lease that nobody holds, or renew one's own.
--
-- KEYS[1] the lease
-- ARGV[1] who asks
-- ARGV[2] how long it lasts from now on, in milliseconds
--
-- Returns 1 where the lease is the asker's now, 0 where it is another's.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
