#!lua flags=allow-oom
-- close: the exchange says that an order is terminal (or was rejected). Of two totals the larger stands; what is not
-- filled is cancelled.
--
-- KEYS fills: of this exchange order id
-- ARGV[2] order_id, [3] exchange_order_id or '', [4] filled_centi
--
-- Returns the order's state, 'no_order', 'conflict' or 'invalid'.

local exchange_order_id, filled = L.given(ARGV[3]), tonumber(ARGV[4])
L.load_account()

local order = L.load_order(ARGV[2])
if not order then return 'no_order' end
if not L.within(filled, 0, order.foreign and MAX_SIZE_CENTI or order.size_centi) then return 'invalid' end
if exchange_order_id and N.is_tied_otherwise(order.order_id, order, exchange_order_id) then return 'conflict' end
return N.take_news('close', order, exchange_order_id, filled)
