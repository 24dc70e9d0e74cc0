#!lua flags=allow-oom
-- advance_watermark: a sweep of that name is complete up to a time; a watermark never moves back.
--
-- ARGV[2] name, [3] to_us
--
-- Returns where it stands, as a decimal string.

local to_us = tonumber(ARGV[3])
L.load_account()
local stands = call('HGET', K.watermarks, ARGV[2]) or '0'
if not L.within(to_us, tonumber(stands) + 1, MAX_AMOUNT) then return stands end
L.put('HSET', K.watermarks, ARGV[2], L.text(to_us))
return L.book('advance_watermark', L.text(to_us))
