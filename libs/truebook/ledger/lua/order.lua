#!lua flags=no-writes
-- order: look one order up, with the market that its opening follows from.
--
-- ARGV[2] 'client' | 'exchange', [3] the id
--
-- Returns {order record, market record or '', {order record of each open one, ...}}, or {} where it is not known.

local order_id = ARGV[3]
if ARGV[2] == 'exchange' then order_id = call('HGET', K.exchange_ids, order_id) end
local stored = order_id and call('HGET', K.orders, order_id)
if not stored then return {} end
local market = call('HGET', K.markets, unpack_record(stored).ticker)
local open = market and unpack_record(market).open or {}
return { stored, market or '', #open > 0 and call('HMGET', K.orders, unpack(open)) or {} }
