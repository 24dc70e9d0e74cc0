-- What every verb of the ledger shares. The loader puts this text between a verb's first line and the rest of it.
--
-- KEYS    the account's keys, in the order of keys.py; one hash slot
-- ARGV[1] the verb's arguments as JSON, for the journal (`''` for reads)
-- ARGV[2..] the same one by one, as the verb's header lists them: amounts as decimal strings, `''` for null
--
-- A script reads, decides, and changes only tables of its own. Writes are collected by `put` and done at once by
-- `book`, when nothing can be refused or fail any more: a script that stops half-way would not be rolled back.
-- Records are maps packed by MessagePack (exact for whole numbers up to 2^53); the account's totals are a plain hash
-- of decimal strings. The rules are specified in rules_*.py; functions here bear the names of their models there.

local KEYS = KEYS -- found faster as a local
local K = {
  account = KEYS[1], holds = KEYS[2], epochs = KEYS[3], counters = KEYS[4], watermarks = KEYS[5], adjusts = KEYS[6],
  orders = KEYS[7], exchange_ids = KEYS[8], fills = KEYS[9], parked = KEYS[10], markets = KEYS[11], events = KEYS[12],
  refusals = KEYS[13], refusal_deadlines = KEYS[14], grants = KEYS[15], ended = KEYS[16], journal = KEYS[17],
  meta = KEYS[18],
}
local call, pack, unpack_record = redis.call, cmsgpack.pack, cmsgpack.unpack
local DOLLAR_CC = 10000
local MAX_AMOUNT = 9007199254740991
local MAX_SIZE_CENTI = 1000000000
local MAX_SINGLE_MICROS = 100000000000000
local MINUTE_US = 60000000
local SEVERITY = { running = 0, reduce_only = 1, flattening = 2, halted = 3 }

-- What this run of the script has loaded and means to change.
local account = {
  opened = 0, seq = 0, clock_us = 0, hold_mode = 'running', open_orders = 0, parked = 0, loss_micros = 0,
  deposits_micros = 0, adjustments_micros = 0, rounding_micros = 0, fees_micros = 0, payouts_micros = 0,
  costs_micros = 0, pairs_micros = 0, promised_micros = 0,
}
local limits = {} -- those that are set
local changed = {} -- field of the account -> what it was
local writes = {} -- commands to be done at the end
local markets = {} -- ticker -> its record, open orders, and the figures that the totals count for it
local events = {} -- name -> record

-- The shared functions stand in one table, written as a whole: a script runs this text at every call, and there Lua
-- pays for each local that a function captures and for each time that a table grows.
local L
L = {
  -- Numbers -----------------------------------------------------------------------------------------------------------

  -- Spell a whole number for storage; tostring would write 1e+14.
  text = function(number)
    if number % 1 ~= 0 or number > MAX_AMOUNT or number < -MAX_AMOUNT then
      error('CORRUPT: an amount is not a whole number below 2^53')
    end
    return string.format('%d', number)
  end,

  within = function(number, low, high)
    return number ~= nil and number >= low and number <= high
  end,

  -- Read a nullable argument.
  given = function(argument)
    if argument ~= '' then return argument end
  end,

  -- Writes ------------------------------------------------------------------------------------------------------------

  put = function(...)
    writes[#writes + 1] = { ... }
  end,

  write_all = function()
    for _, write in ipairs(writes) do call(unpack(write)) end
  end,

  -- The account -------------------------------------------------------------------------------------------------------

  load_account = function()
    local stored = call('HGETALL', K.account)
    for i = 1, #stored, 2 do
      local field, value = stored[i], stored[i + 1]
      if field == 'limits' then limits = unpack_record(value) else account[field] = tonumber(value) or value end
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
    return a.deposits_micros + a.adjustments_micros + a.rounding_micros + a.payouts_micros
      - a.fees_micros - a.costs_micros + a.pairs_micros - a.promised_micros
  end,

  -- The most severe hold, at least reduce_only while overdrawn.
  mode = function()
    if account.hold_mode == 'running' and L.net() < 0 then return 'reduce_only' end
    return account.hold_mode
  end,

  -- Put or lift (`hold_mode` nil) a hold, and keep the mode that follows from all of them.
  change_hold = function(name, hold_mode, owner)
    local worst = hold_mode or 'running'
    local stored = call('HGETALL', K.holds)
    for i = 1, #stored, 2 do
      local other = string.match(stored[i + 1], '^[^:]+')
      if stored[i] ~= name and SEVERITY[other] > SEVERITY[worst] then worst = other end
    end
    L.set('hold_mode', worst)
    if hold_mode then L.put('HSET', K.holds, name, hold_mode .. ':' .. owner) else L.put('HDEL', K.holds, name) end
  end,

  -- Book a change: number it, journal it, do all writes, and answer with its word.
  -- While the account is fenced off (fence.lua), only its restorer gets this far.
  book = function(verb, result)
    if account.restorer and account.restorer ~= RESTORER then
      error({ err = 'RESTORING the ledger from its journal' })
    end
    L.set('seq', account.seq + 1)
    local fields = {}
    for field in pairs(changed) do
      fields[#fields + 1] = field
      fields[#fields + 1] = type(account[field]) == 'number' and L.text(account[field]) or account[field]
    end
    L.put('HSET', K.account, unpack(fields))
    L.put('XADD', K.journal, L.text(account.seq) .. '-0', 'verb', verb, 'arguments', ARGV[1], 'result', result)
    L.write_all()
    return result
  end,

  -- Orders ------------------------------------------------------------------------------------------------------------

  load_order = function(order_id)
    local stored = call('HGET', K.orders, order_id)
    if stored then return unpack_record(stored) end
  end,

  remaining = function(order)
    local bound = order.size_centi
    if order.told_centi then bound = math.min(bound, order.told_centi) end
    return math.max(0, bound - order.applied_centi)
  end,

  state_of = function(order)
    if order.foreign then return 'foreign' end
    if L.remaining(order) == 0 then return 'terminal' end
    if order.told_centi then return 'closing' end
    if order.exchange_order_id then return 'acknowledged' end
    return order.unknown and 'unknown' or 'reserved'
  end,

  -- The price of what the order buys: YES for a bid, NO for an ask.
  own_price = function(order)
    return order.book_side == 'bid' and order.price_cc or DOLLAR_CC - order.price_cc
  end,

  -- Store an order; its end is stamped by the ledger's clock, and taken back where more is to come.
  note_order = function(order)
    if L.remaining(order) > 0 then
      if order.ended_us then L.put('ZREM', K.ended, order.order_id) end
      order.ended_us = nil
    elseif not order.ended_us then
      order.ended_us = account.clock_us
      L.put('ZADD', K.ended, L.text(order.ended_us), order.order_id)
    end
    L.put('HSET', K.orders, order.order_id, pack(order))
  end,

  -- Promises (rules_promise.py) ---------------------------------------------------------------------------------------

  -- Exact: the products stay below 2^53, and no quotient comes nearer to a whole number than a double can tell.
  worst_fee = function(size_centi, order)
    local per_contract = math.ceil(order.fee_rate_ppm * order.price_cc * (DOLLAR_CC - order.price_cc) / 1e8)
    return math.ceil(size_centi * per_contract / 100) + 100 * size_centi
  end,

  -- What one contract of that side's leg brings back: $1 in a pair, after settlement its settlement value.
  worth = function(market, side)
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

  -- Per side the cheapest orders close what is held, the rest opens; what closing may cost is promised too.
  promise = function(market, orders)
    local queue = orders
    if #orders > 1 then
      queue = { unpack(orders) }
      table.sort(queue, L.cheapest_first)
    end
    local held = { bid = L.held_against(market, 'bid'), ask = L.held_against(market, 'ask') }
    local total = 0
    for _, order in ipairs(queue) do
      local closing = math.min(L.remaining(order), held[order.book_side])
      local opening = L.remaining(order) - closing
      held[order.book_side] = held[order.book_side] - closing
      local lost_by_closing = closing * (L.own_price(order) - L.worth(market, order.book_side))
      total = total + opening * L.own_price(order) + L.worst_fee(opening, order)
        + math.max(0, lost_by_closing + L.worst_fee(closing, order))
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

  -- Losses (rules_risk.py) --------------------------------------------------------------------------------------------

  -- A market's loss if its YES wins, and if its NO wins; a settled one counts as flat but for orders not yet proven.
  market_losses = function(market, orders)
    local costs = market.yes_cost_micros + market.no_cost_micros
    local if_yes = costs - market.yes_bought_centi * DOLLAR_CC
    local if_no = costs - market.no_bought_centi * DOLLAR_CC
    local late = 0
    for _, order in ipairs(orders) do
      local cost = L.remaining(order) * L.own_price(order)
      if order.book_side == 'bid' then if_no = if_no + cost else if_yes = if_yes + cost end
      late = late + L.remaining(order) * math.max(0, L.own_price(order) - L.worth(market, order.book_side))
    end
    if market.settlement_cc then return late, late end
    return if_yes, if_no
  end,

  -- Exclusive: the worst of "none" and "this one YES, the others NO"; else the sum of each market's worse side.
  event_loss = function(event)
    local sum, none_wins, one_wins = 0, 0, 0
    for _, loss in pairs(event.losses) do
      sum = sum + math.max(loss[1], loss[2])
      none_wins = none_wins + loss[2]
      one_wins = math.max(one_wins, loss[1] - loss[2])
    end
    return event.exclusive and none_wins + one_wins or sum
  end,

  -- A certain profit pays for no other event's risk.
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

  -- Put a market's losses into its event, in this script's copy of it, and answer by how much the risk grows.
  weigh = function(event, ticker, if_yes, if_no, exclusive)
    local before = L.at_risk(event)
    if if_yes == 0 and if_no == 0 then
      event.losses[ticker] = nil
    else
      event.losses[ticker] = { if_yes, if_no }
    end
    if exclusive ~= nil then event.exclusive = exclusive and event.exclusive ~= false end
    return L.at_risk(event) - before
  end,

  -- Markets (rules_book.py) -------------------------------------------------------------------------------------------

  -- What a market adds to the account's totals.
  figures = function(market)
    local position = market.yes_bought_centi - market.no_bought_centi
    local payout = 0
    if market.settlement_cc then
      payout = math.abs(position) * (position > 0 and market.settlement_cc or DOLLAR_CC - market.settlement_cc)
    end
    return {
      fees_micros = market.fees_micros, payouts_micros = payout, promised_micros = market.promise_micros,
      costs_micros = market.yes_cost_micros + market.no_cost_micros, open_orders = #market.open,
      pairs_micros = math.min(market.yes_bought_centi, market.no_bought_centi) * DOLLAR_CC,
    }
  end,

  -- Load a market, or begin it in the event named (else one of its own), with its open orders.
  load_market = function(ticker, event)
    if markets[ticker] then return markets[ticker].market, markets[ticker].orders end
    local stored = call('HGET', K.markets, ticker)
    local market = stored and unpack_record(stored) or {
      ticker = ticker, event = event or ticker, yes_bought_centi = 0, yes_cost_micros = 0, no_bought_centi = 0,
      no_cost_micros = 0, fees_micros = 0, promise_micros = 0, open = {},
    }
    local orders = {}
    if #market.open > 0 then
      for i, order in ipairs(call('HMGET', K.orders, unpack(market.open))) do
        orders[i] = unpack_record(order)
      end
    end
    markets[ticker] = { market = market, orders = orders, counted = L.figures(market) }
    return market, orders
  end,

  -- Load a market for a change that names its event; a market that changes its event takes its losses along.
  enter_market = function(ticker, event)
    local market, orders = L.load_market(ticker, event)
    if market.event ~= event then
      local former = L.load_event(market.event)
      L.add('loss_micros', L.weigh(former, ticker, 0, 0))
      L.put('HSET', K.events, market.event, pack(former))
      market.event = event
    end
    return market, orders
  end,

  -- Take an order among a market's: in the place of the copy that was loaded with the market, else as the newest.
  include = function(orders, order)
    for i, known in ipairs(orders) do
      if known.order_id == order.order_id then
        orders[i] = order
        return
      end
    end
    orders[#orders + 1] = order
  end,

  -- After a change of a market: its open orders, promise, losses and all totals. `exclusive` is what a reserve said of
  -- the event, nil where none spoke.
  bring_into_step = function(market, orders, exclusive)
    local open = {}
    market.open = {}
    for _, order in ipairs(orders) do
      if L.remaining(order) > 0 then
        open[#open + 1] = order
        market.open[#open] = order.order_id
      end
    end
    market.promise_micros = L.promise(market, open)
    local loaded, now = markets[market.ticker], L.figures(market)
    for field, amount in pairs(now) do L.add(field, amount - loaded.counted[field]) end
    loaded.counted = now
    local event = L.load_event(market.event)
    local if_yes, if_no = L.market_losses(market, open)
    L.add('loss_micros', L.weigh(event, market.ticker, if_yes, if_no, exclusive))
    L.put('HSET', K.events, market.event, pack(event))
    L.put('HSET', K.markets, market.ticker, pack(market))
  end,

  -- Facts (rules_facts.py) --------------------------------------------------------------------------------------------

  belongs = function(fill, order)
    return fill.ticker == order.ticker and (order.foreign or fill.book_side == order.book_side)
  end,

  -- Book a fill: the sums and the fee as told, whatever was promised.
  apply_fill = function(market, order, fill)
    if fill.book_side == 'bid' then
      market.yes_bought_centi = market.yes_bought_centi + fill.size_centi
      market.yes_cost_micros = market.yes_cost_micros + fill.size_centi * fill.price_cc
    else
      market.no_bought_centi = market.no_bought_centi + fill.size_centi
      market.no_cost_micros = market.no_cost_micros + fill.size_centi * (DOLLAR_CC - fill.price_cc)
    end
    market.fees_micros = market.fees_micros + fill.fee_micros
    order.applied_centi = order.applied_centi + fill.size_centi
    if order.foreign then order.book_side = fill.book_side end
  end,

  -- Refusals ------------------------------------------------------------------------------------------------------------

  drop_refusal = function(order_id)
    L.put('HDEL', K.refusals, order_id)
    L.put('ZREM', K.refusal_deadlines, order_id)
  end,
}
