#!lua flags=allow-oom
-- raise_epoch: refuse decisions of a partition's older owners from now on; an epoch never sinks.
--
-- ARGV[2] partition, [3] epoch
--
-- Returns 'raised' or 'invalid'.

local epoch = tonumber(ARGV[3])
load_account()
if not within(tonumber(ARGV[2]), 0, MAX_AMOUNT) or not within(epoch, 0, MAX_AMOUNT) then return 'invalid' end
if epoch <= tonumber(redis.call('HGET', K.epochs, ARGV[2]) or 0) then return 'raised' end
put('HSET', K.epochs, ARGV[2], text(epoch))
return book('raise_epoch', 'raised')
