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

local K = {
  account = KEYS[1], holds = KEYS[2], epochs = KEYS[3], counters = KEYS[4], watermarks = KEYS[5], adjusts = KEYS[6],
  orders = KEYS[7], exchange_ids = KEYS[8], fills = KEYS[9], parked = KEYS[10], markets = KEYS[11], events = KEYS[12],
  refusals = KEYS[13], refusal_deadlines = KEYS[14], grants = KEYS[15], ended = KEYS[16], journal = KEYS[17],
  meta = KEYS[18],
}
local DOLLAR_CC = 10000
local MAX_AMOUNT = 9007199254740991
local MAX_SIZE_CENTI = 1000000000
local MAX_SINGLE_MICROS = 100000000000000

-- Numbers ------------------------------------------------------------------------------------------------------------

-- Spell a whole number for storage. `+ 0` turns -0 into 0; tostring would write 1e+14.
local function text(number)
  if number ~= math.floor(number) or math.abs(number) > MAX_AMOUNT then
    error('CORRUPT: an amount is not a whole number below 2^53')
  end
  return string.format('%.0f', number + 0)
end

local function within(number, low, high)
  return number ~= nil and number >= low and number <= high
end

-- Read a nullable argument.
local function given(argument)
  if argument ~= '' then return argument end
end

-- Writes -------------------------------------------------------------------------------------------------------------

local writes = {}

local function put(...)
  writes[#writes + 1] = { ... }
end

local function write_all()
  for _, write in ipairs(writes) do redis.call(unpack(write)) end
end

-- The account --------------------------------------------------------------------------------------------------------

local account = {
  opened = 0, seq = 0, clock_us = 0, hold_mode = 'running', open_orders = 0, parked = 0, loss_micros = 0,
  deposits_micros = 0, adjustments_micros = 0, rounding_micros = 0, fees_micros = 0, payouts_micros = 0,
  costs_micros = 0, pairs_micros = 0, promised_micros = 0,
}
local changed = {}

-- Limits are fields of their own (`limit_*`); one that is not set stays nil.
local function load_account()
  local stored = redis.call('HGETALL', K.account)
  for i = 1, #stored, 2 do
    account[stored[i]] = tonumber(stored[i + 1]) or stored[i + 1]
  end
end

local function set(field, value)
  account[field] = value
  changed[field] = true
end

local function add(field, amount)
  if amount ~= 0 then set(field, account[field] + amount) end
end

local function net()
  local a = account
  return a.deposits_micros + a.adjustments_micros + a.rounding_micros + a.payouts_micros
    - a.fees_micros - a.costs_micros + a.pairs_micros - a.promised_micros
end

-- The most severe hold, at least reduce_only while overdrawn.
local function mode()
  if account.hold_mode == 'running' and net() < 0 then return 'reduce_only' end
  return account.hold_mode
end

local SEVERITY = { running = 0, reduce_only = 1, flattening = 2, halted = 3 }

-- Put or lift (`hold_mode` nil) a hold, and keep the mode that follows from all of them.
local function change_hold(name, hold_mode, owner)
  local worst = hold_mode or 'running'
  local stored = redis.call('HGETALL', K.holds)
  for i = 1, #stored, 2 do
    local other = string.match(stored[i + 1], '^[^:]+')
    if stored[i] ~= name and SEVERITY[other] > SEVERITY[worst] then worst = other end
  end
  set('hold_mode', worst)
  if hold_mode then put('HSET', K.holds, name, hold_mode .. ':' .. owner) else put('HDEL', K.holds, name) end
end

-- Book a change: number it, journal it, do all writes, and answer with its word.
local function book(verb, result)
  set('seq', account.seq + 1)
  local fields = {}
  for field in pairs(changed) do
    fields[#fields + 1] = field
    fields[#fields + 1] = type(account[field]) == 'number' and text(account[field]) or account[field]
  end
  put('HSET', K.account, unpack(fields))
  put('XADD', K.journal, text(account.seq) .. '-0', 'verb', verb, 'arguments', ARGV[1], 'result', result)
  write_all()
  return result
end

-- Orders -------------------------------------------------------------------------------------------------------------

local function load_order(order_id)
  local stored = redis.call('HGET', K.orders, order_id)
  if stored then return cmsgpack.unpack(stored) end
end

local function remaining(order)
  local bound = order.size_centi
  if order.told_centi then bound = math.min(bound, order.told_centi) end
  return math.max(0, bound - order.applied_centi)
end

local function state_of(order)
  if order.foreign then return 'foreign' end
  if remaining(order) == 0 then return 'terminal' end
  if order.told_centi then return 'closing' end
  if order.exchange_order_id then return 'acknowledged' end
  return order.unknown and 'unknown' or 'reserved'
end

-- The price of what the order buys: YES for a bid, NO for an ask.
local function own_price(order)
  return order.book_side == 'bid' and order.price_cc or DOLLAR_CC - order.price_cc
end

-- Store an order; its end is stamped by the ledger's clock, and taken back where more is to come.
local function note_order(order)
  if remaining(order) > 0 then
    if order.ended_us then put('ZREM', K.ended, order.order_id) end
    order.ended_us = nil
  elseif not order.ended_us then
    order.ended_us = account.clock_us
    put('ZADD', K.ended, text(order.ended_us), order.order_id)
  end
  put('HSET', K.orders, order.order_id, cmsgpack.pack(order))
end

-- Promises (rules_promise.py) ----------------------------------------------------------------------------------------

-- Exact: the products stay below 2^53, and no quotient comes nearer to a whole number than a double can tell.
local function worst_fee(size_centi, order)
  local per_contract = math.ceil(order.fee_rate_ppm * order.price_cc * (DOLLAR_CC - order.price_cc) / 1e8)
  return math.ceil(size_centi * per_contract / 100) + 100 * size_centi
end

-- What one contract of that side's leg brings back: $1 in a pair, after settlement its settlement value.
local function worth(market, side)
  if not market.settlement_cc then return DOLLAR_CC end
  return side == 'bid' and market.settlement_cc or DOLLAR_CC - market.settlement_cc
end

local function held_against(market, side)
  local position = market.yes_bought_centi - market.no_bought_centi
  return math.max(0, side == 'bid' and -position or position)
end

local function cheapest_first(one, other)
  local one_price, other_price = own_price(one), own_price(other)
  if one_price ~= other_price then return one_price < other_price end
  return one.order_id < other.order_id
end

-- Per side the cheapest orders close what is held, the rest opens; what closing may cost is promised too.
local function promise(market, orders)
  local queue = { unpack(orders) }
  table.sort(queue, cheapest_first)
  local held = { bid = held_against(market, 'bid'), ask = held_against(market, 'ask') }
  local total = 0
  for _, order in ipairs(queue) do
    local closing = math.min(remaining(order), held[order.book_side])
    local opening = remaining(order) - closing
    held[order.book_side] = held[order.book_side] - closing
    local lost_by_closing = closing * (own_price(order) - worth(market, order.book_side))
    total = total + opening * own_price(order) + worst_fee(opening, order)
      + math.max(0, lost_by_closing + worst_fee(closing, order))
  end
  return total
end

local function side_remaining(orders, side)
  local total = 0
  for _, order in ipairs(orders) do
    if order.book_side == side then total = total + remaining(order) end
  end
  return total
end

-- Losses (rules_risk.py) ---------------------------------------------------------------------------------------------

-- A market's loss if its YES wins, and if its NO wins; a settled one counts as flat but for orders not yet proven.
local function market_losses(market, orders)
  local costs = market.yes_cost_micros + market.no_cost_micros
  local if_yes = costs - market.yes_bought_centi * DOLLAR_CC
  local if_no = costs - market.no_bought_centi * DOLLAR_CC
  local late = 0
  for _, order in ipairs(orders) do
    local cost = remaining(order) * own_price(order)
    if order.book_side == 'bid' then if_no = if_no + cost else if_yes = if_yes + cost end
    late = late + remaining(order) * math.max(0, own_price(order) - worth(market, order.book_side))
  end
  if market.settlement_cc then return late, late end
  return if_yes, if_no
end

-- Exclusive: the worst of "none" and "this one YES, the others NO"; else the sum of each market's worse side.
local function event_loss(event)
  local sum, none_wins, one_wins = 0, 0, 0
  for _, loss in pairs(event.losses) do
    sum = sum + math.max(loss[1], loss[2])
    none_wins = none_wins + loss[2]
    one_wins = math.max(one_wins, loss[1] - loss[2])
  end
  return event.exclusive and none_wins + one_wins or sum
end

-- A certain profit pays for no other event's risk.
local function at_risk(event)
  return math.max(0, event_loss(event))
end

local events = {}

local function load_event(name)
  if not events[name] then
    local stored = redis.call('HGET', K.events, name)
    events[name] = stored and cmsgpack.unpack(stored) or { losses = {} }
  end
  return events[name]
end

-- Put a market's losses into its event, in this script's copy of it, and answer by how much the risk grows.
local function weigh(event, ticker, if_yes, if_no, exclusive)
  local before = at_risk(event)
  if if_yes == 0 and if_no == 0 then
    event.losses[ticker] = nil
  else
    event.losses[ticker] = { if_yes, if_no }
  end
  if exclusive ~= nil then event.exclusive = exclusive and event.exclusive ~= false end
  return at_risk(event) - before
end

-- Markets (rules_book.py) --------------------------------------------------------------------------------------------

local markets = {}

-- Load a market, or begin it in the event named (else one of its own), with its open orders.
local function load_market(ticker, event)
  if markets[ticker] then return markets[ticker].market, markets[ticker].orders end
  local stored = redis.call('HGET', K.markets, ticker)
  local market = stored and cmsgpack.unpack(stored) or {
    ticker = ticker, event = event or ticker, yes_bought_centi = 0, yes_cost_micros = 0, no_bought_centi = 0,
    no_cost_micros = 0, fees_micros = 0, promise_micros = 0, open = {},
  }
  local orders = {}
  if #market.open > 0 then
    for i, order in ipairs(redis.call('HMGET', K.orders, unpack(market.open))) do
      orders[i] = cmsgpack.unpack(order)
    end
  end
  markets[ticker] = { market = market, orders = orders }
  return market, orders
end

-- Load a market for a change that names its event; a market that changes its event takes its losses along.
local function enter_market(ticker, event)
  local market, orders = load_market(ticker, event)
  if market.event ~= event then
    local former = load_event(market.event)
    add('loss_micros', weigh(former, ticker, 0, 0))
    put('HSET', K.events, market.event, cmsgpack.pack(former))
    market.event = event
  end
  return market, orders
end

-- Take an order among a market's: in the place of the copy that was loaded with the market, else as the newest.
local function include(orders, order)
  for i, known in ipairs(orders) do
    if known.order_id == order.order_id then
      orders[i] = order
      return
    end
  end
  orders[#orders + 1] = order
end

-- What a market adds to the account's totals.
local function figures(market)
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
end

-- After a change of a market: its open orders, promise, losses and all totals. `before` are its figures until then;
-- `exclusive` is what a reserve said of the event, nil where none spoke.
local function bring_into_step(market, orders, before, exclusive)
  local open = {}
  market.open = {}
  for _, order in ipairs(orders) do
    if remaining(order) > 0 then
      open[#open + 1] = order
      market.open[#open] = order.order_id
    end
  end
  market.promise_micros = promise(market, open)
  for field, amount in pairs(figures(market)) do add(field, amount - before[field]) end
  local event = load_event(market.event)
  local if_yes, if_no = market_losses(market, open)
  add('loss_micros', weigh(event, market.ticker, if_yes, if_no, exclusive))
  put('HSET', K.events, market.event, cmsgpack.pack(event))
  put('HSET', K.markets, market.ticker, cmsgpack.pack(market))
end

-- Facts (rules_facts.py) ---------------------------------------------------------------------------------------------

local function belongs(fill, order)
  return fill.ticker == order.ticker and (order.foreign or fill.book_side == order.book_side)
end

-- Book a fill: the sums and the fee as told, whatever was promised.
local function apply_fill(market, order, fill)
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
end

-- Whether the order or the exchange's id is already tied to another partner.
local function is_tied_otherwise(order_id, order, exchange_order_id)
  local owner = redis.call('HGET', K.exchange_ids, exchange_order_id)
  if owner and owner ~= order_id then return true end
  return order ~= nil and order.exchange_order_id ~= nil and order.exchange_order_id ~= exchange_order_id
end

-- Take the parked fills that belong to the order; one that contradicts it stays parked, in sight.
local function unpark(order, exchange_order_id)
  local stored, taken, left = redis.call('HGETALL', K.fills), {}, 0
  for i = 1, #stored, 2 do
    local fill = cmsgpack.unpack(stored[i + 1])
    if fill.parked and belongs(fill, order) then
      fill.parked = nil
      taken[#taken + 1] = fill
      put('HSET', K.fills, stored[i], cmsgpack.pack(fill))
    elseif fill.parked then
      left = left + 1
    end
  end
  add('parked', -#taken)
  if left == 0 and #taken > 0 then put('SREM', K.parked, exchange_order_id) end
  return taken
end

-- Book an acknowledgement or a close that was found sound: tie the ids, take a final total, replay parked fills.
local function take_news(verb, order, exchange_order_id, final_centi)
  local ties = exchange_order_id ~= nil and order.exchange_order_id == nil
  local told = order.told_centi
  if final_centi and not order.foreign then told = math.max(told or 0, final_centi) end
  if not ties and told == order.told_centi then return state_of(order) end
  order.told_centi = told
  order.unknown = nil
  local parked = {}
  if ties then
    order.exchange_order_id = exchange_order_id
    put('HSET', K.exchange_ids, exchange_order_id, order.order_id)
    parked = unpark(order, exchange_order_id)
  end
  if #parked == 0 and order.foreign then
    note_order(order)
    return book(verb, state_of(order))
  end
  local market, orders = load_market(order.ticker)
  local before = figures(market)
  include(orders, order)
  for _, fill in ipairs(parked) do apply_fill(market, order, fill) end
  note_order(order)
  bring_into_step(market, orders, before)
  return book(verb, state_of(order))
end

-- Decisions (rules_reserve.py) ---------------------------------------------------------------------------------------

local MINUTE_US = 60000000

-- The same id with the same content? The wire's times are content only where the caller gives them.
local function same_content(recorded, asked)
  for _, field in ipairs({
    'ticker', 'book_side', 'price_cc', 'size_centi', 'reduce_only', 'fee_rate_ppm', 'deadline_us',
  }) do
    if recorded[field] ~= asked[field] then return false end
  end
  return (asked.send_by_us == 0 or asked.send_by_us == recorded.send_by_us)
    and (asked.expires_us == 0 or asked.expires_us == recorded.expires_us)
end

-- What an order adds to the opening of its side: 0 means that it only reduces risk.
local function added_opening(market, orders, asked)
  local held, others = held_against(market, asked.book_side), side_remaining(orders, asked.book_side)
  return math.max(0, others + asked.size_centi - held) - math.max(0, others - held)
end

-- What no mode, settlement, slot or reduce-only order allows.
local function forbidden(asked, market, orders, opening)
  local now = mode()
  if now == 'halted' or (now == 'flattening' and not asked.reduce_only) or (now == 'reduce_only' and opening > 0) then
    return 'hold'
  end
  if market.settlement_cc then return 'settled' end
  local slot_taken = false
  for _, order in ipairs(orders) do
    local state = state_of(order)
    if state == 'unknown' and opening > 0 then return 'unknown_order' end
    if order.book_side == asked.book_side and state ~= 'closing' then slot_taken = true end
  end
  if slot_taken then return 'slot' end
  if asked.reduce_only and opening > 0 then return 'reduce_only' end
end

-- The limits that every order obeys. Without a reference price the collar can't be judged: refused.
local function over_order_limit(asked, reference_cc)
  local collar, per_minute = account.limit_price_collar_cc, account.limit_orders_per_minute
  if collar and (not reference_cc or math.abs(asked.price_cc - reference_cc) > collar) then return 'price_collar' end
  if account.limit_order_size_centi and asked.size_centi > account.limit_order_size_centi then return 'order_size' end
  if per_minute then
    local oldest = per_minute > 0 and redis.call('LINDEX', K.grants, text(-per_minute))
    if per_minute == 0 or (oldest and tonumber(oldest) > account.clock_us - MINUTE_US) then
      return 'orders_per_minute'
    end
  end
end

-- The account's total loss, and the event's, as they would be with these open orders in the market.
local function losses_with(market, open, event_name, exclusive)
  local total = account.loss_micros
  if market.event ~= event_name then total = total + weigh(load_event(market.event), market.ticker, 0, 0) end
  local event = load_event(event_name)
  local if_yes, if_no = market_losses(market, open)
  total = total + weigh(event, market.ticker, if_yes, if_no, exclusive)
  return total, event_loss(event)
end

-- The limits that what only reduces risk passes.
local function over_position_limit(asked, market, orders, open, event_name, exclusive)
  local a = account
  if a.limit_open_orders and a.open_orders >= a.limit_open_orders then return 'open_orders' end
  if a.limit_market_centi then
    local position = market.yes_bought_centi - market.no_bought_centi
    if asked.book_side == 'ask' then position = -position end
    if position + side_remaining(orders, asked.book_side) + asked.size_centi > a.limit_market_centi then
      return 'market_limit'
    end
  end
  if a.limit_event_loss_micros or a.limit_total_loss_micros then
    local total, of_event = losses_with(market, open, event_name, exclusive)
    events = {} -- they were changed for the sake of the question
    if a.limit_event_loss_micros and of_event > a.limit_event_loss_micros then return 'event_limit' end
    if a.limit_total_loss_micros and total > a.limit_total_loss_micros then return 'total_limit' end
  end
end

-- The floor binds what opens; cash binds everything that needs any.
local function too_dear(opening, added)
  local floor = account.limit_cash_floor_micros
  if floor and opening > 0 and net() - added < floor then return 'cash' end
  if added > math.max(0, net()) then return 'cash' end
end

-- Remember a refusal until its deadline; each one takes two expired ones away, so that they never pile up.
local function remember_refusal(asked, reason)
  asked.reason = reason
  for _, past in ipairs(redis.call('ZRANGEBYSCORE', K.refusal_deadlines, '-inf', text(account.clock_us), 'LIMIT', 0, 2)) do
    put('ZREM', K.refusal_deadlines, past)
    put('HDEL', K.refusals, past)
  end
  put('ZADD', K.refusal_deadlines, text(asked.deadline_us), asked.order_id)
  put('HSET', K.refusals, asked.order_id, cmsgpack.pack(asked))
end
