-- What the news about an order share (`acknowledge`, `close`; rules_facts.py): put between common.lua and the verb.

local N
N = {
  -- Whether the order or the exchange's id is already tied to another partner.
  is_tied_otherwise = function(order_id, order, exchange_order_id)
    local owner = call('HGET', K.exchange_ids, exchange_order_id)
    if owner and owner ~= order_id then return true end
    return order ~= nil and order.exchange_order_id ~= nil and order.exchange_order_id ~= exchange_order_id
  end,

  -- Take the parked fills that belong to the order, by trade id; one that contradicts it stays parked, in sight.
  unpark = function(order, exchange_order_id)
    local trade_ids, taken, left = call('HKEYS', K.fills), {}, 0
    table.sort(trade_ids)
    for _, trade_id in ipairs(trade_ids) do
      local fill = unpack_record(call('HGET', K.fills, trade_id))
      if fill.parked and L.belongs(fill, order) then
        fill.parked = nil
        taken[#taken + 1] = fill
        L.put('HSET', K.fills, trade_id, pack(fill))
      elseif fill.parked then
        left = left + 1
      end
    end
    L.add('parked', -#taken)
    if left == 0 and #taken > 0 then L.put('SREM', K.parked, exchange_order_id) end
    return taken
  end,

  -- Book an acknowledgement or a close that was found sound: tie the ids, take a final total, replay parked fills.
  take_news = function(verb, order, exchange_order_id, final_centi)
    local ties = exchange_order_id ~= nil and order.exchange_order_id == nil
    local told = order.told_centi
    if final_centi and not order.foreign then told = math.max(told or 0, final_centi) end
    if not ties and told == order.told_centi then return L.state_of(order) end
    order.told_centi = told
    order.unknown = nil
    local parked = {}
    if ties then
      order.exchange_order_id = exchange_order_id
      L.put('HSET', K.exchange_ids, exchange_order_id, order.order_id)
      parked = N.unpark(order, exchange_order_id)
    end
    if #parked == 0 and order.foreign then
      L.note_order(order)
      return L.book(verb, L.state_of(order))
    end
    local market, orders = L.load_market(order.ticker)
    L.include(orders, order)
    for _, fill in ipairs(parked) do L.apply_fill(market, order, fill) end
    L.note_order(order)
    L.bring_into_step(market, orders)
    return L.book(verb, L.state_of(order))
  end,
}
