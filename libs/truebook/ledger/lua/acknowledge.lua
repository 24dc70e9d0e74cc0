#!lua flags=allow-oom
-- acknowledge: the exchange accepted an order. In every state: ties its id, books what was parked, takes a final total.
--
-- KEYS fills: of this exchange order id
-- ARGV[2] order_id, [3] exchange_order_id, [4] ticker, [5] filled_centi, [6] remaining_centi (0: filled is final),
-- [7] is_ours '1' | '0': whether the id bears our prefix
--
-- Returns the order's state, 'conflict' or 'invalid'. An order that this ledger did not reserve becomes 'foreign': a
-- record of size 0; with our prefix it also halts, since another ledger must be at work.

local order_id, exchange_order_id, ticker = ARGV[2], ARGV[3], ARGV[4]
local filled, left = tonumber(ARGV[5]), tonumber(ARGV[6])
L.load_account()

local order = L.load_order(order_id)
if order_id == '' or exchange_order_id == '' or ticker == ''
  or not L.within(filled, 0, MAX_SIZE_CENTI) or not L.within(left, 0, MAX_SIZE_CENTI)
  or (order and not order.foreign and filled > order.size_centi) then
  return 'invalid'
end
if N.is_tied_otherwise(order_id, order, exchange_order_id) then return 'conflict' end

if not order then
  order = {
    order_id = order_id, nonce = '', ticker = ticker, book_side = 'bid', price_cc = 0, size_centi = 0,
    reduce_only = false, fee_rate_ppm = 0, deadline_us = 0, reserved_us = account.clock_us, applied_centi = 0,
    foreign = true,
  }
  if ARGV[7] == '1' and call('HEXISTS', K.holds, 'unknown_own_order') == 0 then
    L.change_hold('unknown_own_order', 'halted', 'ledger')
  end
end
return N.take_news('acknowledge', order, exchange_order_id, left == 0 and filled or nil)
