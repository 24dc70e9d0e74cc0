#!lua flags=allow-oom
-- release: end a hold; only its owner may.
--
-- ARGV[2] name, [3] owner
--
-- Returns 'released', 'not_owner' or 'no_hold'.

L.load_account()
local known = call('HGET', K.holds, ARGV[2])
if not known then return 'no_hold' end
if string.match(known, '^[^:]+:(.*)$') ~= ARGV[3] then return 'not_owner' end
L.change_hold(ARGV[2], nil)
return L.book('release', 'released')
