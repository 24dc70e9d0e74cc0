#!lua flags=no-writes
-- include: common
-- journal_end: the end of the account's history.
--
-- Returns {ledger_id, seq, number of the oldest entry kept (0: none), restoring '1' | '0'}, as strings.

L.load_account()
local first = call('XRANGE', K.journal, '-', '+', 'COUNT', 1)[1]
return {
  call('HGET', K.meta, 'ledger_id') or '', L.text(account.seq), first and string.match(first[1], '^%d+') or '0',
  account.restorer and '1' or '0',
}
