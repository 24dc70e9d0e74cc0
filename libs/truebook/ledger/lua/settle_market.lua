#!lua flags=allow-oom
-- settle_market: remember what one YES contract of a market got; payouts follow from that and the sums.
--
-- ARGV[2] ticker, [3] settlement_cc
--
-- Returns 'settled', 'duplicate', 'conflict' (another value is known) or 'invalid'.

local ticker, settlement = ARGV[2], tonumber(ARGV[3])
L.load_account()
if ticker == '' or not L.within(settlement, 0, DOLLAR_CC) then return 'invalid' end
local market, orders = L.load_market(ticker)
if market.settlement_cc then
  return market.settlement_cc == settlement and 'duplicate' or 'conflict'
end
market.settlement_cc = settlement
L.bring_into_step(market, orders)
return L.book('settle_market', 'settled')
