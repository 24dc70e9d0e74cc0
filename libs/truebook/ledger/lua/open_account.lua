#!lua flags=allow-oom
-- include: common
-- open_account: open the account, once, with the exchange's balances and the adopted positions.
--
-- Returns 'opened', 'exists' or 'invalid'.

L.load_account()
local deposits = { [0] = args.balance_micros }
if not L.within(args.balance_micros, 0, MAX_SINGLE_MICROS) then return 'invalid' end
for _, one in ipairs(args.shards) do
  local index, balance = one.exchange_index, one.balance_micros
  if not L.within(index, 1, MAX_SHARD) or deposits[index] or not L.within(balance, 0, MAX_SINGLE_MICROS) then
    return 'invalid'
  end
  deposits[index] = balance
end
local shard_of = {}
for _, adopted in ipairs(args.positions) do
  local shard = adopted.exchange_index
  if adopted.ticker == '' or adopted.event == '' or not L.within(adopted.cost_micros, 0, MAX_SINGLE_MICROS)
    or not L.within(adopted.position_centi, -MAX_SIZE_CENTI, MAX_SIZE_CENTI) or not L.within(shard, 0, MAX_SHARD)
    or shard ~= (shard_of[adopted.ticker] or shard) then
    return 'invalid'
  end
  shard_of[adopted.ticker] = shard
  deposits[shard] = (deposits[shard] or 0) + adopted.cost_micros
end
if account.opened == 1 then return 'exists' end

L.set('opened', 1)
if args.exchange ~= '' then L.write('HSET', K.account, 'exchange', args.exchange) end
for shard, micros in pairs(deposits) do
  -- Under ids that no adjustment can have: the check of the totals adds up these records.
  local adjust_id = shard == 0 and '' or '\0' .. L.text(shard)
  L.write('HSET', K.adjusts, adjust_id, pack({ kind = 'deposit', amount_micros = micros, exchange_index = shard }))
  L.add('deposits_micros', micros)
  L.add_to_shard(shard, micros, 0)
end
for _, adopted in ipairs(args.positions) do
  local market, orders = L.enter_market(adopted.ticker, adopted.event)
  market.exchange_index = adopted.exchange_index
  if adopted.position_centi >= 0 then
    market.yes_bought_centi = market.yes_bought_centi + adopted.position_centi
    market.yes_cost_micros = market.yes_cost_micros + adopted.cost_micros
  else
    market.no_bought_centi = market.no_bought_centi - adopted.position_centi
    market.no_cost_micros = market.no_cost_micros + adopted.cost_micros
  end
  L.update_market(market, orders)
end
return L.commit('opened')
