#!lua flags=allow-oom
-- mark_unknown: the outcome of a send is not known. Keeps the promise; blocks orders that open in that market.
--
-- ARGV[2] order_id
--
-- Returns the order's state ('unknown', or what was heard of it before) or 'no_order'.

load_account()
local order = load_order(ARGV[2])
if not order then return 'no_order' end
if state_of(order) ~= 'reserved' then return state_of(order) end
order.unknown = true
note_order(order)
return book('mark_unknown', 'unknown')
