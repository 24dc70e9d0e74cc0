-- Reports about an order (`acknowledge`, `close`; rules/exchange_reports.py).

local R
R = {
  -- Whether either id is already tied to another one.
  is_tied_otherwise = function(order_id, order, exchange_order_id)
    local owner = call('HGET', K.exchange_ids, exchange_order_id)
    if owner and owner ~= order_id then return true end
    return order ~= nil and order.exchange_order_id ~= nil and order.exchange_order_id ~= exchange_order_id
  end,

  -- Return the parked fills that belong to the order, by trade id; one that contradicts it stays parked and visible.
  -- If nothing has named the market's shard yet, the first fill does.
  unpark = function(order, exchange_order_id)
    local market, shard = L.load_market(order.ticker), nil
    local trade_ids, taken, left = call('HKEYS', K.fills), {}, 0
    table.sort(trade_ids)
    for _, trade_id in ipairs(trade_ids) do
      local fill = unpack_record(call('HGET', K.fills, trade_id))
      local of_fill = fill.exchange_index or 0
      local may_belong = fill.parked and F.belongs(fill, order) and L.may_be_on(market, of_fill)
      if may_belong then shard = shard or of_fill end
      if may_belong and of_fill == shard then
        fill.parked = nil
        taken[#taken + 1] = fill
        L.write('HSET', K.fills, trade_id, pack(fill))
      elseif fill.parked then
        left = left + 1
      end
    end
    L.add('parked', -#taken)
    if left == 0 and #taken > 0 then L.write('SREM', K.parked, exchange_order_id) end
    return taken
  end,

  -- Apply a valid acknowledge or close: tie the ids, take a final total, apply the parked fills.
  apply_report = function(order, exchange_order_id, final_centi)
    local ties = exchange_order_id ~= nil and order.exchange_order_id == nil
    local final = order.final_filled_centi
    if final_centi and not order.foreign then final = math.max(final or 0, final_centi) end
    if not ties and final == order.final_filled_centi then return L.state_of(order) end
    order.final_filled_centi = final
    order.unknown = nil
    local parked = {}
    if ties then
      order.exchange_order_id = exchange_order_id
      L.write('HSET', K.exchange_ids, exchange_order_id, order.order_id)
      parked = R.unpark(order, exchange_order_id)
    end
    if #parked == 0 and order.foreign then
      L.update_order(order)
      return L.commit(L.state_of(order))
    end
    local market, orders = L.load_market(order.ticker)
    if #parked > 0 then market.exchange_index = market.exchange_index or parked[1].exchange_index or 0 end
    F.add_order(orders, order)
    for _, fill in ipairs(parked) do F.apply_fill(market, order, fill) end
    L.update_order(order)
    L.update_market(market, orders)
    return L.commit(L.state_of(order))
  end,
}
