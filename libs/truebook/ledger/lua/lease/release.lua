#!lua flags=allow-oom
-- release: release a lease, if ARGV[1] holds it.
--
-- KEYS[1] the lease
-- ARGV[1] the owner
--
-- Returns 1 if it was released, 0 if another owner or none holds it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
