#!lua flags=allow-oom
-- include: common
-- mark_unknown: the outcome of a send is not known. Keeps the reservation; blocks opening orders in that market.
--
-- Returns the order's state ('unknown', or another one if anything was reported about it) or 'no_order'.

L.load_account()
local order = L.load_order(args.order_id)
if not order then return 'no_order' end
if L.state_of(order) ~= 'reserved' then return L.state_of(order) end
order.unknown = true
L.update_order(order)
return L.commit('unknown')
