#!lua flags=allow-oom
-- fence: let only one restorer change the account from here on; a fence that is there already is taken over.
--
-- Not journalled: the account's next entry has to be the one that is missing.
-- ARGV[2] restorer (not a number), [3] incarnation, [4] seq
--
-- Returns 'fenced', or 'moved' where the account is not at that number of that history.

local incarnation, seq = ARGV[3], tonumber(ARGV[4])
L.load_account()
if account.seq ~= seq then return 'moved' end
if seq == 0 then
  call('HSET', K.meta, 'incarnation', incarnation)
elseif call('HGET', K.meta, 'incarnation') ~= incarnation then
  return 'moved'
end
call('HSET', K.account, 'restorer', ARGV[2])
return 'fenced'
