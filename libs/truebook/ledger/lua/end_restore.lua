#!lua flags=allow-oom
-- include: common
-- end_restore: let every store change the account again, if this restorer is still the current one.
--
-- args: restorer
--
-- Returns 'ended' or 'not_owner'.

L.load_account()
if account.restorer ~= args.restorer then return account.restorer and 'not_owner' or 'ended' end
call('HDEL', K.account, 'restorer')
return 'ended'
