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
if args.adjust_id == '' or string.byte(args.adjust_id) == 0 or not field
  or not L.within(args.exchange_index, 0, MAX_SHARD)
  or not L.within(args.amount_micros, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS) then
  return 'invalid'
end
if account.opened ~= 1 then return 'not_open' end
local known = call('HGET', K.adjusts, args.adjust_id)
if known then
  known = unpack_record(known)
  local is_same = known.kind == args.kind and known.amount_micros == args.amount_micros
    and (known.exchange_index or 0) == args.exchange_index
  return is_same and 'duplicate' or 'conflict'
end
L.write('HSET', K.adjusts, args.adjust_id, pack({
  kind = args.kind, amount_micros = args.amount_micros, exchange_index = args.exchange_index,
}))
L.add(field, args.amount_micros)
L.add_to_shard(args.exchange_index, args.amount_micros, 0)
return L.commit('adjusted')
