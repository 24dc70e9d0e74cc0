-- The index of live markets (`begin`, `prune`): complete if `live_seq` is the number of the account's last change.

local I
I = {
  -- Make the index again if a version without it has changed the account.
  complete = function()
    if account.live_seq == account.seq then return end
    L.write('DEL', K.live)
    for _, stored in ipairs(call('HVALS', K.markets)) do
      local market = unpack_record(stored)
      if L.is_live(market) then L.write('SADD', K.live, market.ticker) end
    end
    L.write('HSET', K.account, 'live_seq', L.text(account.seq))
    account.live_seq = account.seq
  end,
}
