#!lua flags=no-writes
-- parked_fills: list the fills that wait for their order to be known.
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
