#!lua
-- include: common, decision, several
-- reserve: request the right to send one order. A decision: it does not run while the server is out of memory.
--
-- Returns of each call 'reserved', 'exists:STATE', 'duplicate_action' or 'refused:REASON', the first reason in the
-- order of messages/reasons.py.

local function run()
  local order = {
    order_id = args.order_id, nonce = args.nonce, ticker = args.ticker, book_side = args.book_side,
    price_cc = args.price_cc, size_centi = args.size_centi, reduce_only = args.reduce_only,
    fee_rate_ppm = args.fee_rate_ppm, deadline_us = args.deadline_us, send_by_us = args.send_by_us,
    expires_us = args.expires_us, applied_centi = 0,
  }
  local now_us, epoch, partition, shard = args.now_us, args.epoch, args.partition, args.exchange_index
  local reference_cc = L.optional(args.reference_cc)
  L.load_account()

  -- The id first: a repeated one changes nothing, not even the clock.
  local known = L.load_order(order.order_id)
  if known then
    if not D.same_content(known, order) then return 'duplicate_action' end
    local state = L.state_of(known)
    return state == 'reserved' and known.nonce == order.nonce and 'reserved' or 'exists:' .. state
  end
  local refusal = call('HGET', K.refusals, order.order_id)
  refusal = refusal and unpack_record(refusal)
  if refusal and refusal.deadline_us > math.max(account.clock_us, now_us) then
    return D.same_content(refusal, order) and 'refused:' .. refusal.reason or 'duplicate_action'
  end

  if account.opened ~= 1 then return 'refused:not_open' end
  local is_valid = L.within(order.price_cc, 1, DOLLAR_CC - 1) and L.within(order.size_centi, 1, MAX_SIZE_CENTI)
    and L.within(order.fee_rate_ppm, 0, MAX_FEE_RATE_PPM) and (not reference_cc or L.within(reference_cc, 0, DOLLAR_CC))
    and order.order_id ~= '' and order.nonce ~= '' and order.ticker ~= '' and args.event ~= ''
    and math.min(now_us, order.send_by_us, order.expires_us, order.deadline_us, epoch, partition) >= 0
    and math.max(now_us, order.send_by_us, order.expires_us, order.deadline_us, epoch, partition) <= MAX_AMOUNT
    and L.within(shard, 0, MAX_SHARD)
  if not is_valid then return 'refused:invalid' end
  if epoch < tonumber(call('HGET', K.epochs, L.whole(partition)) or 0) then return 'refused:epoch' end
  local clock_moved = now_us > account.clock_us
  if clock_moved then L.set('clock_us', now_us) end
  if account.clock_us >= order.deadline_us then
    return clock_moved and L.commit('refused:deadline') or 'refused:deadline'
  end

  local market, orders = L.load_market(order.ticker, args.event)
  local opening = D.added_opening(market, orders, order)
  local reason = D.forbidden(order, market, orders, opening, shard)
    or D.over_order_limit(order, reference_cc)
    or (opening > 0 and D.over_count_limit(order, market, orders))
  if not reason then
    -- Include it in this script's own tables: what it reserves and risks shows in the account's totals.
    local net, of_shard, everywhere = L.net(), L.net_of(shard), D.available()
    L.enter_market(order.ticker, args.event)
    market.exchange_index = market.exchange_index or shard
    order.reserved_us = account.clock_us
    orders[#orders + 1] = order
    L.update_order(order)
    L.update_market(market, orders, args.exclusive)
    reason = (opening > 0 and D.over_loss_limit(market)) or D.over_cash(opening, net, of_shard, everywhere)
  end
  if reason then
    D.discard_changes()
    if clock_moved then L.set('clock_us', now_us) end
    D.keep_refusal(order, reason)
    return L.commit('refused:' .. reason)
  end

  if refusal then L.drop_refusal(order.order_id) end
  -- The grants of the last minute, oldest first; each one drops an expired one, so that their number stays bounded.
  local oldest = call('LINDEX', K.grants, 0)
  if oldest and tonumber(oldest) <= account.clock_us - MINUTE_US then L.write('LPOP', K.grants) end
  L.write('RPUSH', K.grants, L.whole(account.clock_us))
  return L.commit('reserved')
end

return S.replies(run)
