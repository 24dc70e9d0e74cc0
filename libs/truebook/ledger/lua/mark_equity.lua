#!lua flags=allow-oom
-- include: common, holds
-- mark_equity: record a mark of the account's profit, and place the hold of each limit that the loss exceeds.
--
-- Returns 'marked', 'halted' (a hold was placed), 'not_open' or 'invalid'.

L.load_account()
local profit = args.profit_micros
if not L.within(args.day, 1, MAX_AMOUNT) or not L.within(profit, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS) then
  return 'invalid'
end
if account.opened ~= 1 then return 'not_open' end

local function mark(field, value)
  if account[field] ~= value then L.set(field, value) end
end

if account.mark_day == 0 then
  mark('mark_day_start_micros', profit)
  mark('mark_peak_micros', profit)
elseif args.day > account.mark_day then
  mark('mark_day_start_micros', account.mark_last_micros)
end
mark('mark_day', math.max(args.day, account.mark_day))
mark('mark_peak_micros', math.max(profit, account.mark_peak_micros))
mark('mark_last_micros', profit)

local result = 'marked'
local function check(limit, loss, name)
  if limit and loss > limit and call('HEXISTS', K.holds, name) == 0 then
    H.change(name, 'flattening', 'ledger')
    result = 'halted'
  end
end
check(limits.daily_loss_micros, account.mark_day_start_micros - profit, 'daily_loss')
check(limits.drawdown_micros, account.mark_peak_micros - profit, 'drawdown')
if next(changed) == nil then return result end
return L.commit(result)
