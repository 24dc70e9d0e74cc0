#!lua flags=allow-oom
-- include: common
-- begin_restore: from here on only this restorer may change the account; an earlier restorer is replaced.
--
-- No journal entry: the account's next entry has to be the first one that is missing.
-- args: restorer (not a number), ledger_id, seq
--
-- Returns 'begun', or 'moved' if the account is not at that number of that history.

L.load_account()
if account.seq ~= args.seq then return 'moved' end
if args.seq == 0 then
  call('HSET', K.meta, 'ledger_id', args.ledger_id)
elseif call('HGET', K.meta, 'ledger_id') ~= args.ledger_id then
  return 'moved'
end
call('HSET', K.account, 'restorer', args.restorer)
return 'begun'
