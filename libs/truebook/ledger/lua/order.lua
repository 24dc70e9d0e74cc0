#!lua flags=no-writes
-- include: common
-- order: read one order, with its market and open orders: its opening part follows from them.
--
-- args: order_id, or exchange_order_id
--
-- Returns {order record, market record or '', {order record of each open one, ...}}, or {} if there is none.

local order_id = args.order_id or call('HGET', K.exchange_ids, args.exchange_order_id)
local stored = order_id and call('HGET', K.orders, order_id)
if not stored then return {} end
local market = call('HGET', K.markets, unpack_record(stored).ticker)
local open = market and unpack_record(market).open or {}
return { stored, market or '', #open > 0 and call('HMGET', K.orders, unpack(open)) or {} }
