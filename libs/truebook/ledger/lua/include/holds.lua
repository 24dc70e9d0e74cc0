-- Trading holds (`hold`, `release`, `mark_equity`).

local H
H = {
  -- Place or release (`hold_mode` nil) a hold, and store the mode that follows from all holds of the account. A name
  -- `NAME@TICKER` is a hold of that market.
  change = function(name, hold_mode, owner)
    local worst = string.find(name, '@', 1, true) and 'running' or hold_mode or 'running'
    local stored = call('HGETALL', K.holds)
    for i = 1, #stored, 2 do
      local other = string.match(stored[i + 1], '^[^:]+')
      local is_of_account = not string.find(stored[i], '@', 1, true)
      if stored[i] ~= name and is_of_account and SEVERITY[other] > SEVERITY[worst] then worst = other end
    end
    L.set('hold_mode', worst)
    if hold_mode then L.write('HSET', K.holds, name, hold_mode .. ':' .. owner) else L.write('HDEL', K.holds, name) end
  end,
}
