#!lua
-- reserve: ask for the right to send one order. The one decision: it may not run when memory is full.
--
-- ARGV[2] order_id, [3] nonce, [4] ticker, [5] event, [6] exclusive '1' | '0', [7] book_side, [8] price_cc,
-- [9] size_centi, [10] reduce_only '1' | '0', [11] fee_rate_ppm, [12] deadline_us, [13] now_us, [14] partition,
-- [15] epoch, [16] reference_cc or '', [17] send_by_us, [18] expires_us
--
-- Returns 'reserved', 'exists:STATE', 'duplicate_action' or 'refused:REASON', the reasons in the order of DESIGN 7.

local asked = {
  order_id = ARGV[2], nonce = ARGV[3], ticker = ARGV[4], book_side = ARGV[7], price_cc = tonumber(ARGV[8]),
  size_centi = tonumber(ARGV[9]), reduce_only = ARGV[10] == '1', fee_rate_ppm = tonumber(ARGV[11]),
  deadline_us = tonumber(ARGV[12]), send_by_us = tonumber(ARGV[17]), expires_us = tonumber(ARGV[18]),
  applied_centi = 0,
}
local event_name, exclusive, now_us = ARGV[5], ARGV[6] == '1', tonumber(ARGV[13])
local partition, epoch, reference_cc = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
L.load_account()

-- The id first: a repeated one moves nothing, the clock included.
local order = L.load_order(asked.order_id)
if order then
  if not D.same_content(order, asked) then return 'duplicate_action' end
  local state = L.state_of(order)
  return state == 'reserved' and order.nonce == asked.nonce and 'reserved' or 'exists:' .. state
end
local refusal = call('HGET', K.refusals, asked.order_id)
refusal = refusal and unpack_record(refusal)
if refusal and refusal.deadline_us > math.max(account.clock_us, now_us) then
  return D.same_content(refusal, asked) and 'refused:' .. refusal.reason or 'duplicate_action'
end

if account.opened ~= 1 then return 'refused:not_open' end
local sound = L.within(asked.price_cc, 1, DOLLAR_CC - 1) and L.within(asked.size_centi, 1, MAX_SIZE_CENTI)
  and L.within(asked.fee_rate_ppm, 0, 1000000) and (not reference_cc or L.within(reference_cc, 0, DOLLAR_CC))
  and asked.order_id ~= '' and asked.nonce ~= '' and asked.ticker ~= '' and event_name ~= ''
  and math.min(now_us, asked.send_by_us, asked.expires_us, asked.deadline_us, epoch, partition) >= 0
  and math.max(now_us, asked.send_by_us, asked.expires_us, asked.deadline_us, epoch, partition) <= MAX_AMOUNT
if not sound then return 'refused:invalid' end
if epoch < tonumber(call('HGET', K.epochs, ARGV[14]) or 0) then return 'refused:epoch' end
local clock_moved = now_us > account.clock_us
if clock_moved then L.set('clock_us', now_us) end
if account.clock_us >= asked.deadline_us then
  return clock_moved and L.book('reserve', 'refused:deadline') or 'refused:deadline'
end

local market, orders = L.load_market(asked.ticker, event_name)
local opening = D.added_opening(market, orders, asked)
local reason = D.forbidden(asked, market, orders, opening)
  or D.over_order_limit(asked, reference_cc)
  or (opening > 0 and D.over_count_limit(asked, market, orders))
if not reason then
  -- Try it on in this script's own tables: what it costs and risks are then the account's figures.
  local free = L.net()
  L.enter_market(asked.ticker, event_name)
  asked.reserved_us = account.clock_us
  orders[#orders + 1] = asked
  L.note_order(asked)
  L.bring_into_step(market, orders, exclusive)
  reason = (opening > 0 and D.over_loss_limit(market)) or D.too_dear(opening, free)
end
if reason then
  D.take_back()
  if clock_moved then L.set('clock_us', now_us) end
  D.remember_refusal(asked, reason)
  return L.book('reserve', 'refused:' .. reason)
end

if refusal then L.drop_refusal(asked.order_id) end
-- The grants of the last minute, oldest first; each one takes an older one away, so that they never pile up.
local oldest = call('LINDEX', K.grants, 0)
if oldest and tonumber(oldest) <= account.clock_us - MINUTE_US then L.put('LPOP', K.grants) end
L.put('RPUSH', K.grants, L.text(account.clock_us))
return L.book('reserve', 'reserved')
