#!lua flags=allow-oom
-- include: common
-- adjust: add a deposit, a proven residue, a rounding or interest, once by its id; the reason is kept in the journal.
--
-- Returns 'adjusted', 'duplicate', 'conflict' (same id, other kind or amount), 'not_open' or 'invalid'.

local FIELD = {
  deposit = 'deposits_micros', residue = 'adjustments_micros', rounding = 'rounding_micros',
  interest = 'interest_micros',
}
local field = FIELD[args.kind]
L.load_account()
if args.adjust_id == '' or not field or not L.within(args.amount_micros, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS) then
  return 'invalid'
end
if account.opened ~= 1 then return 'not_open' end
local known = call('HGET', K.adjusts, args.adjust_id)
if known then
  known = unpack_record(known)
  return known.kind == args.kind and known.amount_micros == args.amount_micros and 'duplicate' or 'conflict'
end
L.write('HSET', K.adjusts, args.adjust_id, pack({ kind = args.kind, amount_micros = args.amount_micros }))
L.add(field, args.amount_micros)
return L.commit('adjusted')
