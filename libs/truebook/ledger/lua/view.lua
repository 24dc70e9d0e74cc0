#!lua flags=no-writes
-- view: read the account and markets consistently.
--
-- ARGV[2] 'all' | 'named', [3..] tickers
--
-- Returns {account as field, value, ...; holds as name, 'mode:owner', ...; {market record, {order record, ...}}, ...}.

local stored = {}
if ARGV[2] == 'all' then
  stored = call('HVALS', K.markets)
elseif #ARGV > 2 then
  stored = call('HMGET', K.markets, unpack(ARGV, 3))
end
local shown = {}
for _, market in ipairs(stored) do
  if market then
    local open = unpack_record(market).open
    local orders = #open > 0 and call('HMGET', K.orders, unpack(open)) or {}
    shown[#shown + 1] = { market, orders }
  end
end
return { call('HGETALL', K.account), call('HGETALL', K.holds), shown }
