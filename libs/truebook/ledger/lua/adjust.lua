#!lua flags=allow-oom
-- adjust: book a deposit, a proven residue or a rounding, once by its id; the reason stands in the journal.
--
-- ARGV[2] adjust_id, [3] amount_micros, [4] kind
--
-- Returns 'adjusted', 'duplicate', 'conflict' (same id, other kind or amount), 'not_open' or 'invalid'.

local FIELD = { deposit = 'deposits_micros', residue = 'adjustments_micros', rounding = 'rounding_micros' }
local adjust_id, amount, field = ARGV[2], tonumber(ARGV[3]), FIELD[ARGV[4]]
L.load_account()
if adjust_id == '' or not field or not L.within(amount, -MAX_SINGLE_MICROS, MAX_SINGLE_MICROS) then return 'invalid' end
if account.opened ~= 1 then return 'not_open' end
local known = call('HGET', K.adjusts, adjust_id)
if known then
  known = unpack_record(known)
  return known.kind == ARGV[4] and known.amount_micros == amount and 'duplicate' or 'conflict'
end
L.put('HSET', K.adjusts, adjust_id, pack({ kind = ARGV[4], amount_micros = amount }))
L.add(field, amount)
return L.book('adjust', 'adjusted')
