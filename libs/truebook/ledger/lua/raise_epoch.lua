#!lua flags=allow-oom
-- raise_epoch: refuse decisions of a partition's older owners from now on; an epoch never sinks.
--
-- ARGV[2] partition, [3] epoch
--
-- Returns 'raised' or 'invalid'.

local epoch = tonumber(ARGV[3])
L.load_account()
if not L.within(tonumber(ARGV[2]), 0, MAX_AMOUNT) or not L.within(epoch, 0, MAX_AMOUNT) then return 'invalid' end
if epoch <= tonumber(call('HGET', K.epochs, ARGV[2]) or 0) then return 'raised' end
L.put('HSET', K.epochs, ARGV[2], L.text(epoch))
return L.book('raise_epoch', 'raised')
