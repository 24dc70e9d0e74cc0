#!lua flags=allow-oom
-- include: common
-- bind_exchange: bind the open account to its exchange, if it is bound to the one that the caller names.
--
-- Returns 'bound', 'unchanged', 'conflict' (it is bound to a third one), 'not_open' or 'invalid'.

L.load_account()
if args.exchange == '' then return 'invalid' end
if account.opened ~= 1 then return 'not_open' end
local bound = call('HGET', K.account, 'exchange') or ''
if bound == args.exchange then return 'unchanged' end
if bound ~= args.former then return 'conflict' end
L.write('HSET', K.account, 'exchange', args.exchange)
return L.commit('bound')
