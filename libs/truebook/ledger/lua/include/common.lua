-- Shared by all scripts. The loader (redis/scripts.py) replaces `K.name` (the account's keys), `VERB`, `RESTORER`,
-- `SEVERITY` and the limits of amounts by their values, and leaves out the functions that the script can't reach.
-- KEYS    the account's keys that the script uses, in the order of keys.py; one hash slot
-- ARGV[1] the arguments as JSON: of a verb, exactly what the journal stores. Numbers are exact up to 2^53. Of several
--         calls (include/several.lua): ARGV[1], ARGV[2], ...
--
-- A script reads, decides, and changes only its own tables. Writes are queued by `write` and executed by `commit`, when
-- nothing can be refused or fail any more: a script that fails half-way is not rolled back. Records are maps packed by
-- MessagePack; the account's totals are a plain hash of decimal strings. The rules are specified in Python (rules/);
-- functions here have the names of their models there.

local call, pack, unpack_record = redis.call, cmsgpack.pack, cmsgpack.unpack
local arguments = ARGV[1]
local args = cjson.decode(arguments)

-- What this run has loaded and will change.
local account = {
  opened = 0, seq = 0, clock_us = 0, hold_mode = 'running', open_orders = 0, parked = 0, loss_micros = 0,
  deposits_micros = 0, adjustments_micros = 0, rounding_micros = 0, interest_micros = 0, fees_micros = 0,
  payouts_micros = 0, costs_micros = 0, pairs_micros = 0, reserved_micros = 0,
  mark_day = 0, mark_day_start_micros = 0, mark_peak_micros = 0, mark_last_micros = 0, -- day 0: no marks
  in_transit_micros = 0, live_seq = 0, -- the number of the change up to which the index of live markets is complete
}
local limits = {} -- those that are set
local shards, stored_shards = {}, nil -- of shards other than 0, by index as text: net_micros, reserved_micros
local is_loaded = false
local changed = {} -- field of the account -> its former value
local shards_changed = false
local writes = {} -- commands for `commit`
local markets = {} -- ticker -> its record, open orders, and the amounts that the totals contain for it
local events = {} -- name -> record

-- The shared functions are one table literal: a script runs this text at every call, and Lua pays for each local that a
-- function captures and each time that a table grows. The loader finds each by its first and last line's two spaces.
local L
L = {
  -- Numbers -----------------------------------------------------------------------------------------------------------

  -- Check a number that is stored: the server writes a whole one below 2^53 as an integer; without -0.
  whole = function(number)
    if number % 1 ~= 0 or number > MAX_AMOUNT or number < -MAX_AMOUNT then
      error('CORRUPT: an amount is not a whole number below 2^53')
    end
    return number + 0
  end,

  text = function(number) -- tostring would write 1e+14
    return string.format('%d', L.whole(number))
  end,

  within = function(number, low, high)
    return number ~= nil and number >= low and number <= high
  end,

  -- Return an argument, or nil if it is null.
  optional = function(argument)
    if argument ~= cjson.null then return argument end
  end,

  -- Writes ------------------------------------------------------------------------------------------------------------

  write = function(...)
    writes[#writes + 1] = { ... }
  end,

  write_all = function()
    for _, write in ipairs(writes) do call(unpack(write)) end
  end,

  -- The account -------------------------------------------------------------------------------------------------------

  load_account = function()
    if is_loaded then return end
    is_loaded = true
    local stored = call('HGETALL', K.account)
    for i = 1, #stored, 2 do
      local field, value = stored[i], stored[i + 1]
      if field == 'limits' then
        limits = unpack_record(value)
      elseif field == 'shards' then
        stored_shards, shards = value, unpack_record(value)
      else
        account[field] = tonumber(value) or value
      end
    end
  end,

  set = function(field, value)
    if changed[field] == nil then changed[field] = account[field] end
    account[field] = value
  end,

  add = function(field, amount)
    if amount ~= 0 then L.set(field, account[field] + amount) end
  end,

  net = function()
    local a = account
    return a.deposits_micros + a.adjustments_micros + a.rounding_micros + a.interest_micros + a.payouts_micros
      - a.fees_micros - a.costs_micros + a.pairs_micros - a.reserved_micros - a.in_transit_micros
  end,

  -- The available cash of one shard; shard 0 has what is on no other one.
  net_of = function(shard)
    if shard ~= 0 then return (shards[L.text(shard)] or { net_micros = 0 }).net_micros end
    local net = L.net()
    for _, other in pairs(shards) do net = net - other.net_micros end
    return net
  end,

  -- Change the part of the totals that is on one shard; a shard with nothing is not stored, nor is shard 0.
  add_to_shard = function(index, net_micros, reserved_micros)
    if index == 0 or (net_micros == 0 and reserved_micros == 0) then return end
    local name = L.text(index)
    local shard = shards[name] or { net_micros = 0, reserved_micros = 0 }
    shard.net_micros, shard.reserved_micros = shard.net_micros + net_micros, shard.reserved_micros + reserved_micros
    shards[name] = (shard.net_micros ~= 0 or shard.reserved_micros ~= 0) and shard or nil
    shards_changed = true
  end,

  -- The mode of the most severe hold, at least reduce_only while overdrawn.
  mode = function()
    if account.hold_mode == 'running' and L.net() < 0 then return 'reduce_only' end
    return account.hold_mode
  end,

  -- Commit a change: number it, add the journal entry, execute all writes, return the result.
  -- During a restore (begin_restore.lua) only the restorer may.
  commit = function(result)
    if account.restorer and account.restorer ~= RESTORER then
      error({ err = 'RESTORING the ledger from its journal' })
    end
    local is_indexed = account.live_seq == account.seq
    L.set('seq', account.seq + 1)
    if is_indexed then L.set('live_seq', account.seq) end
    local fields = { 'HSET', K.account }
    for field in pairs(changed) do
      local value = account[field]
      fields[#fields + 1] = field
      fields[#fields + 1] = type(value) == 'number' and L.whole(value) or value
    end
    writes[#writes + 1] = fields
    if shards_changed and next(shards) then L.write('HSET', K.account, 'shards', pack(shards)) end
    if shards_changed and not next(shards) then L.write('HDEL', K.account, 'shards') end
    L.write('XADD', K.journal, L.text(account.seq) .. '-0', 'verb', VERB, 'arguments', arguments, 'result', result)
    L.write_all()
    changed, stored_shards = {}, next(shards) and pack(shards)
    return result
  end,

  -- Orders ------------------------------------------------------------------------------------------------------------

  load_order = function(order_id)
    local stored = call('HGET', K.orders, order_id)
    if stored then return unpack_record(stored) end
  end,

  remaining = function(order)
    local bound = order.size_centi
    if order.final_filled_centi then bound = math.min(bound, order.final_filled_centi) end
    return math.max(0, bound - order.applied_centi)
  end,

  state_of = function(order)
    if order.foreign then return 'foreign' end
    if L.remaining(order) == 0 then return 'terminal' end
    if order.final_filled_centi then return 'closing' end
    if order.exchange_order_id then return 'acknowledged' end
    return order.unknown and 'unknown' or 'reserved'
  end,

  -- The price of what the order buys: YES for a bid, NO for an ask.
  own_price = function(order)
    return order.book_side == 'bid' and order.price_cc or DOLLAR_CC - order.price_cc
  end,

  -- Store an order with the time of its end by the ledger's clock, or without if it may still fill.
  update_order = function(order)
    if L.remaining(order) > 0 then
      if order.ended_us then L.write('ZREM', K.ended, order.order_id) end
      order.ended_us = nil
    elseif not order.ended_us then
      order.ended_us = account.clock_us
      L.write('ZADD', K.ended, L.text(order.ended_us), order.order_id)
    end
    L.write('HSET', K.orders, order.order_id, pack(order))
  end,

  -- Reservations (rules/reservation.py) -------------------------------------------------------------------------------

  -- Exact: the products stay below 2^53, and no quotient is closer to a whole number than a double can distinguish.
  worst_fee = function(size_centi, order)
    local per_contract = math.ceil(order.fee_rate_ppm * order.price_cc * (DOLLAR_CC - order.price_cc) / 1e8)
    return math.ceil(size_centi * per_contract / 100) + 100 * size_centi
  end,

  -- What a contract bought on that side brings when it closes: $1 in a pair, after settlement its value.
  worth_cc = function(market, side)
    if not market.settlement_cc then return DOLLAR_CC end
    return side == 'bid' and market.settlement_cc or DOLLAR_CC - market.settlement_cc
  end,

  held_against = function(market, side)
    local position = market.yes_bought_centi - market.no_bought_centi
    return math.max(0, side == 'bid' and -position or position)
  end,

  cheapest_first = function(one, other)
    local one_price, other_price = L.own_price(one), L.own_price(other)
    if one_price ~= other_price then return one_price < other_price end
    return one.order_id < other.order_id
  end,

  -- Per side the orders with the lowest own price close the position, the rest opens; what closing may cost counts.
  reservation_micros = function(market, orders)
    local queue = orders
    if #orders > 1 then
      queue = { unpack(orders) }
      table.sort(queue, L.cheapest_first)
    end
    local left = { bid = L.held_against(market, 'bid'), ask = L.held_against(market, 'ask') }
    local total = 0
    for _, order in ipairs(queue) do
      local remaining = L.remaining(order)
      local closing = math.min(remaining, left[order.book_side])
      local opening = remaining - closing
      left[order.book_side] = left[order.book_side] - closing
      local price = L.own_price(order)
      total = total + opening * price + L.worst_fee(opening, order)
      if closing > 0 then
        local lost = closing * (price - L.worth_cc(market, order.book_side)) + L.worst_fee(closing, order)
        total = total + math.max(0, lost)
      end
    end
    return total
  end,

  side_remaining = function(orders, side)
    local total = 0
    for _, order in ipairs(orders) do
      if order.book_side == side then total = total + L.remaining(order) end
    end
    return total
  end,

  -- Losses (rules/risk.py) --------------------------------------------------------------------------------------------

  -- A market's loss if YES wins, and if NO wins; a settled one counts as flat, except orders that may have filled.
  market_losses = function(market, orders)
    local costs = market.yes_cost_micros + market.no_cost_micros
    local if_yes = costs - market.yes_bought_centi * DOLLAR_CC
    local if_no = costs - market.no_bought_centi * DOLLAR_CC
    local late = 0
    for _, order in ipairs(orders) do
      local remaining, price = L.remaining(order), L.own_price(order)
      if order.book_side == 'bid' then if_no = if_no + remaining * price else if_yes = if_yes + remaining * price end
      if market.settlement_cc then
        late = late + remaining * math.max(0, price - L.worth_cc(market, order.book_side))
      end
    end
    if market.settlement_cc then return late, late end
    return if_yes, if_no
  end,

  -- Exclusive: the worst of "all NO" and "one YES, the others NO"; else the sum of each market's worse side.
  event_loss = function(event)
    local sum, none_wins, one_wins = 0, 0, 0
    for _, loss in pairs(event.losses) do
      sum = sum + math.max(loss[1], loss[2])
      none_wins = none_wins + loss[2]
      one_wins = math.max(one_wins, loss[1] - loss[2])
    end
    return event.exclusive and none_wins + one_wins or sum
  end,

  -- A certain profit does not offset another event's risk.
  at_risk = function(event)
    return math.max(0, L.event_loss(event))
  end,

  load_event = function(name)
    if not events[name] then
      local stored = call('HGET', K.events, name)
      events[name] = stored and unpack_record(stored) or { losses = {} }
    end
    return events[name]
  end,

  -- Set a market's losses in the loaded event, and return by how much the amount at risk grows.
  set_losses = function(event, ticker, if_yes, if_no, exclusive)
    local before = L.at_risk(event)
    if if_yes == 0 and if_no == 0 then
      event.losses[ticker] = nil
    else
      event.losses[ticker] = { if_yes, if_no }
    end
    if exclusive ~= nil then event.exclusive = exclusive and event.exclusive ~= false end
    return L.at_risk(event) - before
  end,

  -- Markets (rules/market_update.py) ----------------------------------------------------------------------------------

  -- Whether an order is open, or the market has a position and has not settled.
  is_live = function(market)
    return #market.open > 0 or (not market.settlement_cc and market.yes_bought_centi ~= market.no_bought_centi)
  end,

  -- What a market adds to the account's totals.
  amounts = function(market)
    local position = market.yes_bought_centi - market.no_bought_centi
    local payout = 0
    if market.settlement_cc then
      payout = math.abs(position) * (position > 0 and market.settlement_cc or DOLLAR_CC - market.settlement_cc)
    end
    return {
      fees_micros = market.fees_micros, payouts_micros = payout, reserved_micros = market.reserved_micros,
      costs_micros = market.yes_cost_micros + market.no_cost_micros, open_orders = #market.open,
      pairs_micros = math.min(market.yes_bought_centi, market.no_bought_centi) * DOLLAR_CC,
    }
  end,

  -- What such amounts add to the available cash of the market's shard.
  net_of_amounts = function(of)
    return of.payouts_micros - of.fees_micros - of.costs_micros + of.pairs_micros - of.reserved_micros
  end,

  -- Whether a market may be on a shard; one that has sums or open orders is on one already.
  may_be_on = function(market, shard)
    if shard == (market.exchange_index or 0) then return true end
    return market.exchange_index == nil and (market.fills or 0) == 0 and #market.open == 0
      and market.yes_bought_centi == 0 and market.no_bought_centi == 0
      and market.yes_cost_micros + market.no_cost_micros == 0
  end,

  -- Load a market with its open orders, or create it in the named event (else one of its own).
  load_market = function(ticker, event)
    if markets[ticker] then return markets[ticker].market, markets[ticker].orders end
    local stored = call('HGET', K.markets, ticker)
    local market = stored and unpack_record(stored) or {
      ticker = ticker, event = event or ticker, yes_bought_centi = 0, yes_cost_micros = 0, no_bought_centi = 0,
      no_cost_micros = 0, fees_micros = 0, reserved_micros = 0, open = {},
    }
    local orders = {}
    if #market.open > 0 then
      for i, order in ipairs(call('HMGET', K.orders, unpack(market.open))) do
        orders[i] = unpack_record(order)
      end
    end
    markets[ticker] = { market = market, orders = orders, counted = L.amounts(market), is_live = L.is_live(market) }
    return market, orders
  end,

  -- Load a market for a change that names its event; if the event differs, its losses move there.
  enter_market = function(ticker, event)
    local market, orders = L.load_market(ticker, event)
    if market.event ~= event then
      local former = L.load_event(market.event)
      L.add('loss_micros', L.set_losses(former, ticker, 0, 0))
      L.write('HSET', K.events, market.event, pack(former))
      market.event = event
    end
    return market, orders
  end,

  -- After a change of a market, update its open orders, reservation, losses and all totals. `exclusive` is given by a
  -- reserve, else nil.
  update_market = function(market, orders, exclusive)
    local open = {}
    market.open = {}
    for _, order in ipairs(orders) do
      if L.remaining(order) > 0 then
        open[#open + 1] = order
        market.open[#open] = order.order_id
      end
    end
    market.reserved_micros = L.reservation_micros(market, open)
    local loaded, now = markets[market.ticker], L.amounts(market)
    for field, amount in pairs(now) do L.add(field, amount - loaded.counted[field]) end
    local net, reserved = L.net_of_amounts(now), now.reserved_micros
    L.add_to_shard(market.exchange_index or 0, net - L.net_of_amounts(loaded.counted),
      reserved - loaded.counted.reserved_micros)
    loaded.counted = now
    local event = L.load_event(market.event)
    local if_yes, if_no = L.market_losses(market, open)
    L.add('loss_micros', L.set_losses(event, market.ticker, if_yes, if_no, exclusive))
    L.write('HSET', K.events, market.event, pack(event))
    L.write('HSET', K.markets, market.ticker, pack(market))
    if L.is_live(market) ~= loaded.is_live then
      loaded.is_live = not loaded.is_live
      L.write(loaded.is_live and 'SADD' or 'SREM', K.live, market.ticker)
    end
  end,

  -- Refusals ----------------------------------------------------------------------------------------------------------

  drop_refusal = function(order_id)
    L.write('HDEL', K.refusals, order_id)
    L.write('ZREM', K.refusal_deadlines, order_id)
  end,
}
