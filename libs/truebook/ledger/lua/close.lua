#!lua flags=allow-oom
-- include: common, fills, order_reports
-- close: the exchange reported an order as terminal, or rejected it. The larger of two totals counts; what is not
-- filled is cancelled.
--
-- KEYS fills: of this exchange order id
--
-- Returns the order's state, 'no_order', 'conflict' or 'invalid'.

local exchange_order_id = L.optional(args.exchange_order_id)
if exchange_order_id == '' then exchange_order_id = nil end
L.load_account()

local order = L.load_order(args.order_id)
if not order then return 'no_order' end
if not L.within(args.filled_centi, 0, order.foreign and MAX_SIZE_CENTI or order.size_centi) then return 'invalid' end
if exchange_order_id and R.is_tied_otherwise(order.order_id, order, exchange_order_id) then return 'conflict' end
return R.apply_report(order, exchange_order_id, args.filled_centi)
