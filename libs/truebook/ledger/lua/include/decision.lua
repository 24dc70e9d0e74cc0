-- The rules of the one decision (`reserve`; rules/reserve.py).

local D
D = {
  -- Whether a repeated id has the same content. The two wire times are content only where given.
  same_content = function(recorded, order)
    for _, field in ipairs({
      'ticker', 'book_side', 'price_cc', 'size_centi', 'reduce_only', 'fee_rate_ppm', 'deadline_us',
    }) do
      if recorded[field] ~= order[field] then return false end
    end
    return (order.send_by_us == 0 or order.send_by_us == recorded.send_by_us)
      and (order.expires_us == 0 or order.expires_us == recorded.expires_us)
  end,

  -- How much an order adds to the opening of its side; 0: it only reduces risk.
  added_opening = function(market, orders, order)
    local held, others = L.held_against(market, order.book_side), L.side_remaining(orders, order.book_side)
    return math.max(0, others + order.size_centi - held) - math.max(0, others - held)
  end,

  -- The mode of the account's holds and of those of one market and of its shard.
  mode_in = function(ticker, shard)
    local worst, stored = L.mode(), call('HGETALL', K.holds)
    if worst == 'running' and L.net_of(shard) < 0 then worst = 'reduce_only' end
    for i = 1, #stored, 2 do
      local scope = string.match(stored[i], '^[^@]*@(.*)$')
      if scope == ticker or scope == 'shard:' .. L.text(shard) then
        local other = string.match(stored[i + 1], '^[^:]+')
        if SEVERITY[other] > SEVERITY[worst] then worst = other end
      end
    end
    return worst
  end,

  -- Refusals by mode, settlement, shard, unknown orders, slot and reduce-only.
  forbidden = function(order, market, orders, opening, shard)
    local now = D.mode_in(order.ticker, shard)
    if now == 'halted' or (now == 'flattening' and not order.reduce_only) or (now == 'reduce_only' and opening > 0) then
      return 'hold'
    end
    if market.settlement_cc then return 'settled' end
    if not L.may_be_on(market, shard) then return 'shard' end
    local slot_taken = false
    for _, other in ipairs(orders) do
      local state = L.state_of(other)
      if state == 'unknown' and opening > 0 then return 'unknown_order' end
      if other.book_side == order.book_side and state ~= 'closing' then slot_taken = true end
    end
    if slot_taken then return 'slot' end
    if order.reduce_only and opening > 0 then return 'reduce_only' end
  end,

  -- The limits for every order. Without a reference price the collar can't be checked: refused.
  over_order_limit = function(order, reference_cc)
    local collar, per_minute = limits.price_collar_cc, limits.orders_per_minute
    if collar and (not reference_cc or math.abs(order.price_cc - reference_cc) > collar) then return 'price_collar' end
    if limits.order_size_centi and order.size_centi > limits.order_size_centi then return 'order_size' end
    if per_minute then
      local oldest = per_minute > 0 and call('LINDEX', K.grants, L.text(-per_minute))
      if per_minute == 0 or (oldest and tonumber(oldest) > account.clock_us - MINUTE_US) then
        return 'orders_per_minute'
      end
    end
  end,

  -- The limits on counts, not for orders that only reduce risk.
  over_count_limit = function(order, market, orders)
    local max_open, largest = limits.open_orders, limits.market_centi
    if max_open and account.open_orders >= max_open then return 'open_orders' end
    if largest then
      local position = market.yes_bought_centi - market.no_bought_centi
      if order.book_side == 'ask' then position = -position end
      position = position + L.side_remaining(orders, order.book_side) + order.size_centi
      if position > largest then return 'market_limit' end
    end
  end,

  -- With the order included: the limits on losses, not for orders that only reduce risk.
  over_loss_limit = function(market)
    local of_event, of_all = limits.event_loss_micros, limits.total_loss_micros
    if of_event and L.event_loss(L.load_event(market.event)) > of_event then return 'event_limit' end
    if of_all and account.loss_micros > of_all then return 'total_limit' end
  end,

  -- Available cash on all shards that are not overdrawn.
  available = function()
    local total = math.max(0, L.net_of(0))
    for _, shard in pairs(shards) do total = total + math.max(0, shard.net_micros) end
    return total
  end,

  -- With the order included: the cash of its shard, the cash floor for orders that open, available cash for all.
  -- Without it, `net` was available, `of_shard` on its shard and `everywhere` on all that are not overdrawn.
  over_cash = function(opening, net, of_shard, everywhere)
    local floor, added = limits.cash_floor_micros, net - L.net()
    local available = math.max(0, of_shard)
    if added > available and added <= everywhere then return 'shard_cash' end
    if floor and opening > 0 and L.net() < floor then return 'cash' end
    if added > available then return 'cash' end
  end,

  -- Undo all changes of this script's tables and drop the queued writes.
  discard_changes = function()
    for field, former in pairs(changed) do account[field] = former end
    writes, changed, events, markets = {}, {}, {}, {}
    shards, shards_changed = stored_shards and unpack_record(stored_shards) or {}, false
  end,

  -- Keep a refusal until its deadline; each one drops two expired ones, so that their number stays bounded.
  keep_refusal = function(order, reason)
    order.reason = reason
    local clock = L.text(account.clock_us)
    for _, past in ipairs(call('ZRANGEBYSCORE', K.refusal_deadlines, '-inf', clock, 'LIMIT', 0, 2)) do
      L.drop_refusal(past)
    end
    L.write('ZADD', K.refusal_deadlines, L.text(order.deadline_us), order.order_id)
    L.write('HSET', K.refusals, order.order_id, pack(order))
  end,
}
