#!lua flags=allow-oom
-- include: common, transfers
-- report_transfer: the exchange has proved that a transfer was accepted, has arrived or was refused. One of an unknown
-- id was made by others and takes its cash now.
--
-- Returns the transfer's state, 'conflict' (other content, ids that are tied otherwise, or a contradiction to what was
-- proved), 'no_transfer' (a refusal of an unknown one), 'not_open' or 'invalid'.

local exchange_id, status = args.exchange_transfer_id, args.status
L.load_account()
if not T.is_valid() or (status ~= 'accepted' and status ~= 'arrived' and status ~= 'refused')
  or (exchange_id == '' and status ~= 'refused') then
  return 'invalid'
end
if account.opened ~= 1 then return 'not_open' end
local known = T.load()
if exchange_id ~= '' then
  local owner = call('HGET', K.transfer_ids, exchange_id)
  if owner and owner ~= args.transfer_id then return 'conflict' end
  if known and known.exchange_transfer_id ~= '' and known.exchange_transfer_id ~= exchange_id then return 'conflict' end
end
if not known then
  if status == 'refused' then return 'no_transfer' end
  known = T.take()
elseif not T.is_same(known) then
  return 'conflict'
end
local is_refused, was_refused = status == 'refused', known.state == 'refused'
if is_refused ~= was_refused and known.state ~= 'requested' then return 'conflict' end
if known.state == status or known.state == 'arrived' then return known.state end
known.state = status
if not is_refused then
  known.exchange_transfer_id = exchange_id
  L.write('HSET', K.transfer_ids, exchange_id, known.transfer_id)
end
T.store(known)
return L.commit(status)
