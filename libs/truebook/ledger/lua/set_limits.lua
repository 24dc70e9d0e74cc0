#!lua flags=allow-oom
-- include: common
-- set_limits: replace the whole record of limits; a missing key is no limit. Without a limit of losses the marks end.
--
-- Returns 'set' or 'invalid'.

L.load_account()
local differs = false
local function comparable(value)
  return type(value) == 'table' and table.concat(value, ' ') or value
end
for name, value in pairs(args) do
  if name ~= 'from_settings' and not L.within(value, 0, MAX_SINGLE_MICROS) then return 'invalid' end
  differs = differs or comparable(limits[name]) ~= comparable(value)
end
for name in pairs(limits) do differs = differs or args[name] == nil end
if not differs then return 'set' end
if account.mark_day > 0 and not args.daily_loss_micros and not args.drawdown_micros then
  for _, field in ipairs({ 'mark_day', 'mark_day_start_micros', 'mark_peak_micros', 'mark_last_micros' }) do
    L.set(field, 0)
  end
end
if next(args) then L.write('HSET', K.account, 'limits', pack(args)) else L.write('HDEL', K.account, 'limits') end
return L.commit('set')
