#!lua flags=allow-oom
-- unfence: open the account again, if that restorer still is the one that it is fenced off for.
--
-- ARGV[2] restorer
--
-- Returns 'open' or 'not_owner'.

L.load_account()
if account.restorer ~= ARGV[2] then return account.restorer and 'not_owner' or 'open' end
call('HDEL', K.account, 'restorer')
return 'open'
