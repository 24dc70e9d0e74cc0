#!lua flags=allow-oom
-- include: common
-- advance_watermark: a sweep of that name is complete up to a time; a watermark never moves back.
--
-- Returns the watermark as a decimal string.

L.load_account()
local watermark = call('HGET', K.watermarks, args.name) or '0'
if not L.within(args.to_us, tonumber(watermark) + 1, MAX_AMOUNT) then return watermark end
L.write('HSET', K.watermarks, args.name, L.text(args.to_us))
return L.commit(L.text(args.to_us))
