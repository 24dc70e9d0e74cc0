#!lua flags=allow-oom
-- settle_fill: book a fill once, by (trade id, exchange order id); park it while its order is not known.
--
-- KEYS fills: of this exchange order id
-- ARGV[2] trade_id, [3] the exchange's order id, [4] ticker, [5] book_side, [6] price_cc, [7] size_centi,
-- [8] fee_micros
--
-- Returns 'applied', 'parked', 'duplicate', 'conflict' (other content under the same key, or of another market or
-- side than its order) or 'invalid'.

local trade_id, exchange_order_id = ARGV[2], ARGV[3]
local fill = {
  ticker = ARGV[4], book_side = ARGV[5], price_cc = tonumber(ARGV[6]), size_centi = tonumber(ARGV[7]),
  fee_micros = tonumber(ARGV[8]),
}
L.load_account()
if trade_id == '' or exchange_order_id == '' or fill.ticker == '' or not L.within(fill.price_cc, 1, DOLLAR_CC - 1)
  or not L.within(fill.size_centi, 1, MAX_SIZE_CENTI)
  or not L.within(fill.fee_micros, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS) then
  return 'invalid'
end

local known = call('HGET', K.fills, trade_id)
if known then
  known = unpack_record(known)
  for field, value in pairs(fill) do
    if known[field] ~= value then return 'conflict' end
  end
  return 'duplicate'
end

local order_id = call('HGET', K.exchange_ids, exchange_order_id)
if not order_id then
  fill.parked = true
  L.add('parked', 1)
  L.put('HSET', K.fills, trade_id, pack(fill))
  L.put('SADD', K.parked, exchange_order_id)
  return L.book('settle_fill', 'parked')
end

local order = L.load_order(order_id)
if not L.belongs(fill, order) then return 'conflict' end
L.put('HSET', K.fills, trade_id, pack(fill))
local market, orders = L.load_market(order.ticker)
L.include(orders, order)
L.apply_fill(market, order, fill)
if order.foreign then order.ended_us = nil end
L.note_order(order)
L.bring_into_step(market, orders)
return L.book('settle_fill', 'applied')
