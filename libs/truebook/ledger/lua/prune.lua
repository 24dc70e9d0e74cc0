#!lua flags=allow-oom
-- include: common, live, transfers
-- prune: complete the index of live markets; drop ended orders with their fills, and refusals past their deadline; add
-- up settled markets by shard, ended transfers by route, each before a time of its own; at most 1000 of each a call.
-- An order is dropped only when its deadline has passed: its id can't be reserved again.
--
-- KEYS fills: the stem of the keys, since the orders are found here
--
-- Returns how many orders, fills, markets and transfers were dropped, as a decimal string.

L.load_account()
I.complete()
local dropped = 0
local function drop_fills(exchange_order_id)
  local key = K.fills .. exchange_order_id
  for _, stored in ipairs(call('HVALS', key)) do
    if unpack_record(stored).parked then L.add('parked', -1) end
    dropped = dropped + 1
  end
  L.write('DEL', key)
  L.write('SREM', K.parked, exchange_order_id)
  L.write('HDEL', K.exchange_ids, exchange_order_id)
end

local before = string.format('(%.17g', args.terminal_before_us)
for _, order_id in ipairs(call('ZRANGEBYSCORE', K.ended, '-inf', before, 'LIMIT', 0, 1000)) do
  local order = L.load_order(order_id)
  if order.deadline_us <= account.clock_us then
    dropped = dropped + 1
    L.write('HDEL', K.orders, order_id)
    L.write('ZREM', K.ended, order_id)
    if order.exchange_order_id then drop_fills(order.exchange_order_id) end
  end
end
local settled, markets_of, stored = {}, {}, call('HGETALL', K.markets)
for i = 1, #stored, 2 do
  local market = unpack_record(stored[i + 1])
  markets_of[market.event] = (markets_of[market.event] or 0) + 1
  local settled_us, pruned_markets = market.settled_us or 0, market.pruned_markets or 0
  local is_old = settled_us < args.settled_before_us and pruned_markets == 0
  if market.settlement_cc and is_old and #market.open == 0 then
    settled[#settled + 1] = { settled_us = settled_us, ticker = stored[i], market = market }
  end
end
table.sort(settled, function(one, other)
  if one.settled_us ~= other.settled_us then return one.settled_us < other.settled_us end
  return one.ticker < other.ticker
end)
if #settled > 0 then
  local records = {} -- by shard: '' of shard 0, '#2' of shard 2
  for i = 1, math.min(#settled, 1000) do
    local market, amounts = settled[i].market, L.amounts(settled[i].market)
    local shard = market.exchange_index or 0
    local name = shard == 0 and '' or '#' .. L.text(shard)
    local pruned = L.load_market(name, name)
    records[name], pruned.settlement_cc, pruned.exchange_index = pruned, 0, shard ~= 0 and shard or nil
    local paired = math.min(market.yes_bought_centi, market.no_bought_centi)
    pruned.yes_bought_centi = pruned.yes_bought_centi + paired
    pruned.no_bought_centi = pruned.no_bought_centi + paired
    pruned.yes_cost_micros = pruned.yes_cost_micros + amounts.costs_micros - amounts.payouts_micros
    pruned.fees_micros = pruned.fees_micros + market.fees_micros
    pruned.fills = (pruned.fills or 0) + (market.fills or 0)
    pruned.pruned_markets = (pruned.pruned_markets or 0) + 1
    L.add('payouts_micros', -amounts.payouts_micros)
    L.add('costs_micros', -amounts.payouts_micros)
    L.write('HDEL', K.markets, settled[i].ticker)
    markets_of[market.event] = markets_of[market.event] - 1
    if markets_of[market.event] == 0 then L.write('HDEL', K.events, market.event) end
    dropped = dropped + 1
  end
  for name, pruned in pairs(records) do L.write('HSET', K.markets, name, pack(pruned)) end
end
dropped = dropped + T.add_up(args.transfers_before_us or 0)
local clock = L.text(account.clock_us)
for _, order_id in ipairs(call('ZRANGEBYSCORE', K.refusal_deadlines, '-inf', clock, 'LIMIT', 0, 1000)) do
  L.drop_refusal(order_id)
end
if dropped > 0 then return L.commit(L.text(dropped)) end
L.write_all()
return '0'
