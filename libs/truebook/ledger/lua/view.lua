#!lua flags=no-writes
-- include: common
-- view: read the account and markets consistently.
--
-- args: tickers (null: all); audit: also what the totals follow from
--
-- Returns {account as field, value, ...; holds as name, 'mode:owner', ...; {market record, {order record, ...}}, ...;
-- ledger_id; of all markets also the records of adjustments; those of open transfers; of all markets those of ended
-- transfers; of an audit also events as name, record, ...; how many fills are parked; the stored mode of the holds}.

local CHUNK = 1000 -- Lua passes at most about 8,000 arguments to a call
local shown = {}

local function show(stored)
  for _, market in ipairs(stored) do
    if market then
      local open = unpack_record(market).open
      local orders = #open > 0 and call('HMGET', K.orders, unpack(open)) or {}
      shown[#shown + 1] = { market, orders }
    end
  end
end

if args.tickers == cjson.null then
  show(call('HVALS', K.markets))
else
  for first = 1, #args.tickers, CHUNK do
    local last = math.min(first + CHUNK - 1, #args.tickers)
    show(call('HMGET', K.markets, unpack(args.tickers, first, last)))
  end
end
local view = {
  call('HGETALL', K.account), call('HGETALL', K.holds), shown, call('HGET', K.meta, 'ledger_id') or '',
  args.tickers == cjson.null and call('HVALS', K.adjusts), call('HVALS', K.open_transfers),
  args.tickers == cjson.null and call('HVALS', K.transfers),
}
if args.audit then
  local parked = 0
  for _, exchange_order_id in ipairs(call('SMEMBERS', K.parked)) do
    for _, fill in ipairs(call('HVALS', K.fills .. exchange_order_id)) do
      if unpack_record(fill).parked then parked = parked + 1 end
    end
  end
  view[8], view[9], view[10] = call('HGETALL', K.events), parked, call('HGET', K.account, 'hold_mode') or 'running'
end
return view
