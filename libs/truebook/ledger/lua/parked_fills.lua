#!lua flags=no-writes
-- include: common
-- parked_fills: read the fills whose order is not known yet.
--
-- KEYS fills: the stem of the keys, since the orders are found here
--
-- Returns {exchange order id, {trade id, fill record, ...}, ...}.

local found = {}
for _, exchange_order_id in ipairs(call('SMEMBERS', K.parked)) do
  found[#found + 1] = exchange_order_id
  found[#found + 1] = call('HGETALL', K.fills .. exchange_order_id)
end
return found
