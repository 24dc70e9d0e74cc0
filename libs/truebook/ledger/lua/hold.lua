#!lua flags=allow-oom
-- include: common, holds
-- hold: place a named hold, or change the mode of a hold of this owner.
--
-- Returns 'held', 'conflict' (another owner's) or 'invalid'.

L.load_account()
if args.name == '' or string.sub(args.name, -1) == '@' then return 'invalid' end
if args.owner == '' or (SEVERITY[args.mode] or 0) == 0 then return 'invalid' end
local known = call('HGET', K.holds, args.name)
if known then
  local known_mode, known_owner = string.match(known, '^([^:]+):(.*)$')
  if known_owner ~= args.owner then return 'conflict' end
  if known_mode == args.mode then return 'held' end
end
H.change(args.name, args.mode, args.owner)
return L.commit('held')
