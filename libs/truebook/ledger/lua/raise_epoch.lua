#!lua flags=allow-oom
-- include: common
-- raise_epoch: refuse decisions of a partition's earlier owners from now on; an epoch never decreases.
--
-- Returns 'raised' or 'invalid'.

L.load_account()
if not L.within(args.partition, 0, MAX_AMOUNT) or not L.within(args.epoch, 0, MAX_AMOUNT) then return 'invalid' end
local partition = L.text(args.partition)
if args.epoch <= tonumber(call('HGET', K.epochs, partition) or 0) then return 'raised' end
L.write('HSET', K.epochs, partition, L.text(args.epoch))
return L.commit('raised')
