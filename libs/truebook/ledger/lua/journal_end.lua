#!lua flags=no-writes
-- journal_end: where the account's history stands.
--
-- Returns {incarnation, seq, number of the oldest entry kept (0: none), fenced '1' | '0'}, as strings.

L.load_account()
local first = call('XRANGE', K.journal, '-', '+', 'COUNT', 1)[1]
return {
  call('HGET', K.meta, 'incarnation') or '', L.text(account.seq), first and string.match(first[1], '^%d+') or '0',
  account.restorer and '1' or '0',
}
