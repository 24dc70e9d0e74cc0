#!lua flags=allow-oom
-- include: common
-- open_account: open the account, once, with the exchange's balance and the adopted positions.
--
-- Returns 'opened', 'exists' or 'invalid'.

L.load_account()
if not L.within(args.balance_micros, 0, MAX_SINGLE_MICROS) then return 'invalid' end
for _, adopted in ipairs(args.positions) do
  if adopted.ticker == '' or adopted.event == '' or not L.within(adopted.cost_micros, 0, MAX_SINGLE_MICROS)
    or not L.within(adopted.position_centi, -MAX_SIZE_CENTI, MAX_SIZE_CENTI) then
    return 'invalid'
  end
end
if account.opened == 1 then return 'exists' end

L.set('opened', 1)
if args.exchange ~= '' then L.write('HSET', K.account, 'exchange', args.exchange) end
local deposits_micros = args.balance_micros
for _, adopted in ipairs(args.positions) do
  local market, orders = L.enter_market(adopted.ticker, adopted.event)
  if adopted.position_centi >= 0 then
    market.yes_bought_centi = market.yes_bought_centi + adopted.position_centi
    market.yes_cost_micros = market.yes_cost_micros + adopted.cost_micros
  else
    market.no_bought_centi = market.no_bought_centi - adopted.position_centi
    market.no_cost_micros = market.no_cost_micros + adopted.cost_micros
  end
  deposits_micros = deposits_micros + adopted.cost_micros
  L.update_market(market, orders)
end
L.add('deposits_micros', deposits_micros)
-- Under an id that no adjustment can have: the check of the totals adds up these records.
L.write('HSET', K.adjusts, '', pack({ kind = 'deposit', amount_micros = deposits_micros }))
return L.commit('opened')
