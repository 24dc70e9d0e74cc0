#!lua flags=allow-oom
-- next_number: count up a named counter; journalled, so that a restored ledger gives no number twice.
--
-- ARGV[2] name
--
-- Returns the new number as a decimal string.

L.load_account()
local number = L.text(tonumber(call('HGET', K.counters, ARGV[2]) or 0) + 1)
L.put('HSET', K.counters, ARGV[2], number)
return L.book('next_number', number)
