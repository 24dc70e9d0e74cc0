-- The rules of the one decision (`reserve`; rules_reserve.py): put between common.lua and the verb.

local D
D = {
  -- The same id with the same content? The wire's times are content only where the caller gives them.
  same_content = function(recorded, asked)
    for _, field in ipairs({
      'ticker', 'book_side', 'price_cc', 'size_centi', 'reduce_only', 'fee_rate_ppm', 'deadline_us',
    }) do
      if recorded[field] ~= asked[field] then return false end
    end
    return (asked.send_by_us == 0 or asked.send_by_us == recorded.send_by_us)
      and (asked.expires_us == 0 or asked.expires_us == recorded.expires_us)
  end,

  -- What an order adds to the opening of its side: 0 means that it only reduces risk.
  added_opening = function(market, orders, asked)
    local held, others = L.held_against(market, asked.book_side), L.side_remaining(orders, asked.book_side)
    return math.max(0, others + asked.size_centi - held) - math.max(0, others - held)
  end,

  -- What no mode, settlement, slot or reduce-only order allows.
  forbidden = function(asked, market, orders, opening)
    local now = L.mode()
    if now == 'halted' or (now == 'flattening' and not asked.reduce_only) or (now == 'reduce_only' and opening > 0) then
      return 'hold'
    end
    if market.settlement_cc then return 'settled' end
    local slot_taken = false
    for _, order in ipairs(orders) do
      local state = L.state_of(order)
      if state == 'unknown' and opening > 0 then return 'unknown_order' end
      if order.book_side == asked.book_side and state ~= 'closing' then slot_taken = true end
    end
    if slot_taken then return 'slot' end
    if asked.reduce_only and opening > 0 then return 'reduce_only' end
  end,

  -- The limits that every order obeys. Without a reference price the collar can't be judged: refused.
  over_order_limit = function(asked, reference_cc)
    local collar, per_minute = limits.price_collar_cc, limits.orders_per_minute
    if collar and (not reference_cc or math.abs(asked.price_cc - reference_cc) > collar) then return 'price_collar' end
    if limits.order_size_centi and asked.size_centi > limits.order_size_centi then return 'order_size' end
    if per_minute then
      local oldest = per_minute > 0 and call('LINDEX', K.grants, L.text(-per_minute))
      if per_minute == 0 or (oldest and tonumber(oldest) > account.clock_us - MINUTE_US) then
        return 'orders_per_minute'
      end
    end
  end,

  -- The limits on counts that what only reduces risk passes.
  over_count_limit = function(asked, market, orders)
    local most_open, largest = limits.open_orders, limits.market_centi
    if most_open and account.open_orders >= most_open then return 'open_orders' end
    if largest then
      local position = market.yes_bought_centi - market.no_bought_centi
      if asked.book_side == 'ask' then position = -position end
      position = position + L.side_remaining(orders, asked.book_side) + asked.size_centi
      if position > largest then return 'market_limit' end
    end
  end,

  -- With the order tried on: the limits on losses, which what only reduces risk passes.
  over_loss_limit = function(market)
    local of_event, of_all = limits.event_loss_micros, limits.total_loss_micros
    if of_event and L.event_loss(L.load_event(market.event)) > of_event then return 'event_limit' end
    if of_all and account.loss_micros > of_all then return 'total_limit' end
  end,

  -- With the order tried on: the floor binds what opens; cash binds everything that needs any. `free` is what was free.
  too_dear = function(opening, free)
    local lowest = limits.cash_floor_micros
    if lowest and opening > 0 and L.net() < lowest then return 'cash' end
    if free - L.net() > math.max(0, free) then return 'cash' end
  end,

  -- Undo all changes of this script's tables, and forget the writes collected for them.
  take_back = function()
    for field, former in pairs(changed) do account[field] = former end
    writes, changed, events, markets = {}, {}, {}, {}
  end,

  -- Remember a refusal until its deadline; each one takes two expired ones away, so that they never pile up.
  remember_refusal = function(asked, reason)
    asked.reason = reason
    local clock = L.text(account.clock_us)
    for _, past in ipairs(call('ZRANGEBYSCORE', K.refusal_deadlines, '-inf', clock, 'LIMIT', 0, 2)) do
      L.drop_refusal(past)
    end
    L.put('ZADD', K.refusal_deadlines, L.text(asked.deadline_us), asked.order_id)
    L.put('HSET', K.refusals, asked.order_id, pack(asked))
  end,
}
