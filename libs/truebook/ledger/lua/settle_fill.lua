#!lua flags=allow-oom
-- include: common, fills
-- settle_fill: apply a fill once, by (trade id, exchange order id); park it while its order is not known.
--
-- KEYS fills: of this exchange order id
--
-- Returns 'applied', 'parked', 'duplicate', 'conflict' (other content under the same key, or another market, side or
-- shard than its order's) or 'invalid'.

local trade_id, exchange_order_id = args.trade_id, args.order_id
local fill = {
  ticker = args.ticker, book_side = args.book_side, price_cc = args.price_cc, size_centi = args.size_centi,
  fee_micros = args.fee_micros, exchange_index = args.exchange_index,
}
L.load_account()
if trade_id == '' or exchange_order_id == '' or fill.ticker == '' or not L.within(fill.price_cc, 1, DOLLAR_CC - 1)
  or not L.within(fill.size_centi, 1, MAX_SIZE_CENTI)
  or not L.within(fill.fee_micros, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS)
  or not L.within(fill.exchange_index, 0, MAX_SHARD) then
  return 'invalid'
end

local known = call('HGET', K.fills, trade_id)
if known then
  known = unpack_record(known)
  known.exchange_index = known.exchange_index or 0
  for field, value in pairs(fill) do
    if known[field] ~= value then return 'conflict' end
  end
  return 'duplicate'
end

local order_id = call('HGET', K.exchange_ids, exchange_order_id)
if not order_id then
  fill.parked = true
  L.add('parked', 1)
  L.write('HSET', K.fills, trade_id, pack(fill))
  L.write('SADD', K.parked, exchange_order_id)
  return L.commit('parked')
end

local order = L.load_order(order_id)
local market, orders = L.load_market(order.ticker)
if not F.belongs(fill, order) or not L.may_be_on(market, fill.exchange_index) then return 'conflict' end
L.write('HSET', K.fills, trade_id, pack(fill))
market.exchange_index = market.exchange_index or fill.exchange_index
F.add_order(orders, order)
F.apply_fill(market, order, fill)
if order.foreign then order.ended_us = nil end
L.update_order(order)
L.update_market(market, orders)
return L.commit('applied')
