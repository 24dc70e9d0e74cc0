#!lua flags=allow-oom
-- forget: drop ended orders with their fills, and refusals past their deadline. At most 1000 orders a call.
--
-- An order stays while its deadline could let its id in again; its fills go with it, never before it.
--
-- KEYS fills: the stem of the keys, since the orders are found here
-- ARGV[2] terminal_before_us
--
-- Returns how many orders and fills were dropped, as a decimal string.

L.load_account()
local dropped = 0

local function drop_fills(exchange_order_id)
  local key = K.fills .. exchange_order_id
  for _, stored in ipairs(call('HVALS', key)) do
    if unpack_record(stored).parked then L.add('parked', -1) end
    dropped = dropped + 1
  end
  L.put('DEL', key)
  L.put('SREM', K.parked, exchange_order_id)
  L.put('HDEL', K.exchange_ids, exchange_order_id)
end

local before = '(' .. ARGV[2]
for _, order_id in ipairs(call('ZRANGEBYSCORE', K.ended, '-inf', before, 'LIMIT', 0, 1000)) do
  local order = L.load_order(order_id)
  if order.deadline_us <= account.clock_us then
    dropped = dropped + 1
    L.put('HDEL', K.orders, order_id)
    L.put('ZREM', K.ended, order_id)
    if order.exchange_order_id then drop_fills(order.exchange_order_id) end
  end
end
local clock = L.text(account.clock_us)
for _, order_id in ipairs(call('ZRANGEBYSCORE', K.refusal_deadlines, '-inf', clock, 'LIMIT', 0, 1000)) do
  L.drop_refusal(order_id)
end
if dropped > 0 then return L.book('forget', L.text(dropped)) end
L.write_all()
return '0'
