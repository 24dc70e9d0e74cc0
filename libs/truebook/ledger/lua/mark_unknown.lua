#!lua flags=allow-oom
-- mark_unknown: the outcome of a send is not known. Keeps the promise; blocks orders that open in that market.
--
-- ARGV[2] order_id
--
-- Returns the order's state ('unknown', or what was heard of it before) or 'no_order'.

L.load_account()
local order = L.load_order(ARGV[2])
if not order then return 'no_order' end
if L.state_of(order) ~= 'reserved' then return L.state_of(order) end
order.unknown = true
L.note_order(order)
return L.book('mark_unknown', 'unknown')
