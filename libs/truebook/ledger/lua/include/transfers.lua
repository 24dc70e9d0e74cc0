-- Transfers of cash between shards (`request_transfer`, `report_transfer`; rules/transfers.py). Open ones are kept in a
-- hash of their own, so that every read of the account may have them.

local T
T = {
  is_valid = function()
    return args.transfer_id ~= '' and string.sub(args.transfer_id, 1, 1) ~= '#' and args.from_shard ~= args.to_shard
      and L.within(args.from_shard, 0, MAX_SHARD) and L.within(args.to_shard, 0, MAX_SHARD)
      and L.within(args.amount_micros, 1, MAX_SINGLE_MICROS) and args.amount_micros % TRANSFER_UNIT_MICROS == 0
      and L.within(args.now_us, 0, MAX_AMOUNT)
  end,

  load = function()
    local stored = call('HGET', K.open_transfers, args.transfer_id) or call('HGET', K.transfers, args.transfer_id)
    if stored then return unpack_record(stored) end
  end,

  is_same = function(known)
    return known.from_shard == args.from_shard and known.to_shard == args.to_shard
      and known.amount_micros == args.amount_micros
  end,

  -- Take the cash from its shard: a new record, not stored yet.
  take = function()
    L.add('in_transit_micros', args.amount_micros)
    L.add_to_shard(args.from_shard, -args.amount_micros, 0)
    return {
      transfer_id = args.transfer_id, exchange_transfer_id = '', from_shard = args.from_shard,
      to_shard = args.to_shard, amount_micros = args.amount_micros, state = 'requested', requested_us = args.now_us,
    }
  end,

  -- Store a transfer; at its end its cash is on a shard again.
  store = function(transfer)
    if transfer.state == 'requested' or transfer.state == 'accepted' then
      L.write('HSET', K.open_transfers, transfer.transfer_id, pack(transfer))
      return
    end
    L.write('HDEL', K.open_transfers, transfer.transfer_id)
    L.write('HSET', K.transfers, transfer.transfer_id, pack(transfer))
    L.add('in_transit_micros', -transfer.amount_micros)
    local to = transfer.state == 'arrived' and transfer.to_shard or transfer.from_shard
    L.add_to_shard(to, transfer.amount_micros, 0)
  end,

  -- Replace at most 1000 ended transfers that were requested before a time by one record of each route; count them.
  add_up = function(before_us)
    local ended, sums, changed = {}, {}, {}
    for _, stored in ipairs(before_us > 0 and call('HVALS', K.transfers) or {}) do
      local transfer = unpack_record(stored)
      if string.sub(transfer.transfer_id, 1, 1) == '#' then
        sums[transfer.transfer_id] = transfer
      elseif transfer.requested_us < before_us then
        ended[#ended + 1] = transfer
      end
    end
    table.sort(ended, function(one, other)
      if one.requested_us ~= other.requested_us then return one.requested_us < other.requested_us end
      return one.transfer_id < other.transfer_id
    end)
    local count = math.min(#ended, 1000)
    for i = 1, count do
      local transfer = ended[i]
      L.write('HDEL', K.transfers, transfer.transfer_id)
      if transfer.exchange_transfer_id ~= '' then L.write('HDEL', K.transfer_ids, transfer.exchange_transfer_id) end
      if transfer.state == 'arrived' then
        local name = '#' .. L.text(transfer.from_shard) .. '>' .. L.text(transfer.to_shard)
        local known = sums[name]
        transfer.amount_micros = transfer.amount_micros + (known and known.amount_micros or 0)
        transfer.transfer_id, transfer.exchange_transfer_id, transfer.requested_us = name, '', 0
        sums[name], changed[name] = transfer, transfer
      end
    end
    for name, sum in pairs(changed) do L.write('HSET', K.transfers, name, pack(sum)) end
    return count
  end,
}
