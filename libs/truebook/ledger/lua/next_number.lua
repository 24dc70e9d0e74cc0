#!lua flags=allow-oom
-- include: common
-- next_number: increment a named counter; a journal entry, so that a restored ledger returns no number twice.
--
-- Returns the new number as a decimal string.

L.load_account()
local number = L.text(tonumber(call('HGET', K.counters, args.name) or 0) + 1)
L.write('HSET', K.counters, args.name, number)
return L.commit(number)
