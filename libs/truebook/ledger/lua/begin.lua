#!lua flags=allow-oom
-- begin: at connect, name the schema and the history of an account that is new; tell those of one that is not.
--
-- ARGV[2] schema, [3] a fresh name for the history
--
-- Returns {schema, incarnation} as stored.

call('HSETNX', K.meta, 'schema', ARGV[2])
call('HSETNX', K.meta, 'incarnation', ARGV[3])
return call('HMGET', K.meta, 'schema', 'incarnation')
