#!lua flags=no-writes
-- include: common
-- view: read the account and markets consistently.
--
-- args: tickers (null: all); live: the live markets, or all while the index of these is not complete; audit: also what
-- the totals follow from
--
-- Returns {account as field, value, ...; holds as name, 'mode:owner', ...; {market record, {order record, ...}}, ...;
-- ledger_id; of all markets also the records of adjustments; those of open transfers; of all markets those of ended
-- transfers; of an audit also events as name, record, ...; how many fills are parked; the stored mode of the holds; the
-- live markets, nil while their index is not complete}.

local CHUNK = 1000 -- Lua passes at most about 8,000 arguments to a call
local NONE_OPEN = '\164open\144' -- MessagePack of an empty `open`: most markets' records need not be unpacked
local shown = {}

local function show(stored)
  local ids, owners = {}, {} -- of all open orders; each one's list
  for _, market in ipairs(stored) do
    if market then
      local orders = {}
      shown[#shown + 1] = { market, orders }
      for _, id in ipairs(string.find(market, NONE_OPEN, 1, true) and {} or unpack_record(market).open) do
        ids[#ids + 1], owners[#owners + 1] = id, orders
      end
    end
  end
  for first = 1, #ids, CHUNK do
    for i, order in ipairs(call('HMGET', K.orders, unpack(ids, first, math.min(first + CHUNK - 1, #ids)))) do
      table.insert(owners[first + i - 1], order)
    end
  end
end

local function live_markets()
  local seq = call('HMGET', K.account, 'seq', 'live_seq')
  return (seq[1] or '0') == (seq[2] or '0') and call('SMEMBERS', K.live)
end

local of_all = args.tickers == cjson.null and not args.live
local tickers = L.optional(args.tickers) or (args.live and live_markets())
if not tickers then
  show(call('HVALS', K.markets))
else
  for first = 1, #tickers, CHUNK do
    show(call('HMGET', K.markets, unpack(tickers, first, math.min(first + CHUNK - 1, #tickers))))
  end
end
local view = {
  call('HGETALL', K.account), call('HGETALL', K.holds), shown, call('HGET', K.meta, 'ledger_id') or '',
  of_all and call('HVALS', K.adjusts), call('HVALS', K.open_transfers), of_all and call('HVALS', K.transfers),
}
if args.audit then
  local parked = 0
  for _, exchange_order_id in ipairs(call('SMEMBERS', K.parked)) do
    for _, fill in ipairs(call('HVALS', K.fills .. exchange_order_id)) do
      if unpack_record(fill).parked then parked = parked + 1 end
    end
  end
  view[8], view[9], view[10] = call('HGETALL', K.events), parked, call('HGET', K.account, 'hold_mode') or 'running'
  view[11] = live_markets()
end
return view
