#!lua flags=allow-oom
-- set_limits: replace the whole record of limits; a missing key is no limit.
--
-- ARGV[2..] name and value of each limit that is set
--
-- Returns 'set' or 'invalid'.

L.load_account()
local wanted, differs = {}, false
for i = 2, #ARGV, 2 do
  local name, value = ARGV[i], tonumber(ARGV[i + 1])
  if not L.within(value, 0, MAX_SINGLE_MICROS) then return 'invalid' end
  wanted[name] = value
  differs = differs or limits[name] ~= value
end
for name in pairs(limits) do differs = differs or wanted[name] == nil end
if not differs then return 'set' end
if next(wanted) then L.put('HSET', K.account, 'limits', pack(wanted)) else L.put('HDEL', K.account, 'limits') end
return L.book('set_limits', 'set')
