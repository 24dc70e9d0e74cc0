-- Fills (`settle_fill`, `acknowledge`, `close`; rules/exchange_reports.py).

local F
F = {
  belongs = function(fill, order)
    return fill.ticker == order.ticker and (order.foreign or fill.book_side == order.book_side)
  end,

  -- Put an order among its market's: in place of the copy that was loaded with the market, else as the newest.
  add_order = function(orders, order)
    for i, known in ipairs(orders) do
      if known.order_id == order.order_id then
        orders[i] = order
        return
      end
    end
    orders[#orders + 1] = order
  end,

  -- Add a fill to the sums, with the reported fee, whatever was reserved.
  apply_fill = function(market, order, fill)
    if fill.book_side == 'bid' then
      market.yes_bought_centi = market.yes_bought_centi + fill.size_centi
      market.yes_cost_micros = market.yes_cost_micros + fill.size_centi * fill.price_cc
    else
      market.no_bought_centi = market.no_bought_centi + fill.size_centi
      market.no_cost_micros = market.no_cost_micros + fill.size_centi * (DOLLAR_CC - fill.price_cc)
    end
    market.fees_micros = market.fees_micros + fill.fee_micros
    market.fills = (market.fills or 0) + 1
    order.applied_centi = order.applied_centi + fill.size_centi
    if order.foreign then order.book_side = fill.book_side end
  end,
}
