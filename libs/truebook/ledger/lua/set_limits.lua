#!lua flags=allow-oom
-- set_limits: replace the whole record of limits; a missing key is no limit.
--
-- ARGV[2..] name and value of each limit that is set
--
-- Returns 'set' or 'invalid'.

L.load_account()
local limits = {}
for i = 2, #ARGV, 2 do
  limits['limit_' .. ARGV[i]] = tonumber(ARGV[i + 1])
  if not L.within(tonumber(ARGV[i + 1]), 0, MAX_SINGLE_MICROS) then return 'invalid' end
end
local differs = false
for field, value in pairs(account) do
  if string.match(field, '^limit_') and limits[field] ~= value then
    differs = true
    if not limits[field] then L.put('HDEL', K.account, field) end
  end
end
for field, value in pairs(limits) do
  if account[field] ~= value then
    differs = true
    L.set(field, value)
  end
end
return differs and L.book('set_limits', 'set') or 'set'
