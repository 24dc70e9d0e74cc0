#!lua flags=allow-oom
-- include: common
-- begin: at connect, store schema and history name of a new account; return those of an existing one.
--
-- args: schema, ledger_id (a fresh name)
--
-- Returns {schema, ledger_id} as stored.

call('HSETNX', K.meta, 'schema', args.schema)
call('HSETNX', K.meta, 'ledger_id', args.ledger_id)
return call('HMGET', K.meta, 'schema', 'ledger_id')
