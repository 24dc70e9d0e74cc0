#!lua flags=allow-oom
-- include: common, live
-- begin: at connect, store schema and history name of a new account; return those of an existing one. Complete the
-- index of live markets.
--
-- args: schema, ledger_id (a fresh name)
--
-- Returns {schema, ledger_id} as stored.

call('HSETNX', K.meta, 'schema', args.schema)
call('HSETNX', K.meta, 'ledger_id', args.ledger_id)
L.load_account()
I.complete()
L.write_all()
return call('HMGET', K.meta, 'schema', 'ledger_id')
