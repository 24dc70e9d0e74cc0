#!lua flags=allow-oom
-- include: common, holds
-- release: end a hold; only its owner may.
--
-- Returns 'released', 'not_owner' or 'no_hold'.

L.load_account()
local known = call('HGET', K.holds, args.name)
if not known then return 'no_hold' end
if string.match(known, '^[^:]+:(.*)$') ~= args.owner then return 'not_owner' end
H.change(args.name, nil)
if account.mark_day > 0 then -- the loss that placed the hold is accepted
  if args.name == 'daily_loss' then L.set('mark_day_start_micros', account.mark_last_micros) end
  if args.name == 'drawdown' then L.set('mark_peak_micros', account.mark_last_micros) end
end
return L.commit('released')
