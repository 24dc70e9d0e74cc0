#!lua flags=allow-oom
-- include: common, holds, fills, order_reports
-- acknowledge: the exchange accepted an order. In every state: ties its id, applies parked fills, takes a final total.
--
-- KEYS fills: of this exchange order id
--
-- Returns the order's state, 'conflict' or 'invalid'. An order that this ledger did not reserve becomes 'foreign': a
-- record of size 0; with our id prefix it also halts, since another ledger uses the account.

local order_id, exchange_order_id = args.order_id, args.exchange_order_id
L.load_account()

local order = L.load_order(order_id)
if order_id == '' or exchange_order_id == '' or args.ticker == ''
  or not L.within(args.filled_centi, 0, MAX_SIZE_CENTI) or not L.within(args.remaining_centi, 0, MAX_SIZE_CENTI)
  or (order and not order.foreign and args.filled_centi > order.size_centi) then
  return 'invalid'
end
if R.is_tied_otherwise(order_id, order, exchange_order_id) then return 'conflict' end

if not order then
  order = {
    order_id = order_id, nonce = '', ticker = args.ticker, book_side = 'bid', price_cc = 0, size_centi = 0,
    reduce_only = false, fee_rate_ppm = 0, deadline_us = 0, reserved_us = account.clock_us, applied_centi = 0,
    foreign = true,
  }
  local is_ours = string.sub(order_id, 1, #OUR_ID_PREFIX) == OUR_ID_PREFIX
  if is_ours and call('HEXISTS', K.holds, 'unknown_own_order') == 0 then
    H.change('unknown_own_order', 'halted', 'ledger')
  end
end
return R.apply_report(order, exchange_order_id, args.remaining_centi == 0 and args.filled_centi or nil)
