#!lua flags=allow-oom
-- advance_watermark: a sweep of that name is complete up to a time; a watermark never moves back.
--
-- ARGV[2] name, [3] to_us
--
-- Returns where it stands, as a decimal string.

local to_us = tonumber(ARGV[3])
load_account()
local stands = redis.call('HGET', K.watermarks, ARGV[2]) or '0'
if not within(to_us, tonumber(stands) + 1, MAX_AMOUNT) then return stands end
put('HSET', K.watermarks, ARGV[2], text(to_us))
return book('advance_watermark', text(to_us))
