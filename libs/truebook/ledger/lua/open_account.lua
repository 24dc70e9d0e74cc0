#!lua flags=allow-oom
-- open_account: begin the account, once, with the exchange's first answer.
--
-- ARGV[2] balance_micros
-- ARGV[3..] per adopted position: ticker, event, position_centi, cost_micros
--
-- Returns 'opened', 'exists' or 'invalid'.

L.load_account()
local balance = tonumber(ARGV[2])
if not L.within(balance, 0, MAX_SINGLE_MICROS) then return 'invalid' end
for i = 3, #ARGV, 4 do
  local position, cost = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  if ARGV[i] == '' or ARGV[i + 1] == '' or not L.within(position, -MAX_SIZE_CENTI, MAX_SIZE_CENTI)
    or not L.within(cost, 0, MAX_SINGLE_MICROS) then
    return 'invalid'
  end
end
if account.opened == 1 then return 'exists' end

L.set('opened', 1)
L.add('deposits_micros', balance)
for i = 3, #ARGV, 4 do
  local position, cost = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local market, orders = L.enter_market(ARGV[i], ARGV[i + 1])
  if position >= 0 then
    market.yes_bought_centi = market.yes_bought_centi + position
    market.yes_cost_micros = market.yes_cost_micros + cost
  else
    market.no_bought_centi = market.no_bought_centi - position
    market.no_cost_micros = market.no_cost_micros + cost
  end
  L.add('deposits_micros', cost)
  L.bring_into_step(market, orders)
end
return L.book('open_account', 'opened')
