#!lua
-- include: common, transfers
-- request_transfer: take available cash from a shard before its transfer to another one is requested. A decision.
--
-- Returns 'requested', of a repeated id the transfer's state, 'no_cash', 'conflict' (same id, other content),
-- 'not_open' or 'invalid'.

L.load_account()
if not T.is_valid() then return 'invalid' end
if account.opened ~= 1 then return 'not_open' end
local known = T.load()
if known then return T.is_same(known) and known.state or 'conflict' end
if args.amount_micros > L.net_of(args.from_shard) then return 'no_cash' end
T.store(T.take())
return L.commit('requested')
