#!lua flags=allow-oom
-- include: common
-- settle_market: record a market's settlement value; payouts follow from it and the sums.
--
-- Returns 'settled', 'duplicate', 'conflict' (another value is recorded) or 'invalid'.

L.load_account()
if args.ticker == '' or not L.within(args.settlement_cc, 0, DOLLAR_CC) then return 'invalid' end
local market, orders = L.load_market(args.ticker)
if market.settlement_cc then
  return market.settlement_cc == args.settlement_cc and 'duplicate' or 'conflict'
end
market.settlement_cc = args.settlement_cc
market.settled_us = account.clock_us
L.update_market(market, orders)
return L.commit('settled')
