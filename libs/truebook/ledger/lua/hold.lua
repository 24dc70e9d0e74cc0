#!lua flags=allow-oom
-- hold: place a named hold, or change the mode of one's own.
--
-- ARGV[2] name, [3] mode, [4] owner
--
-- Returns 'held', 'conflict' (it is another owner's) or 'invalid'.

local name, wanted, owner = ARGV[2], ARGV[3], ARGV[4]
L.load_account()
if name == '' or owner == '' or (SEVERITY[wanted] or 0) == 0 then return 'invalid' end
local known = call('HGET', K.holds, name)
if known then
  local known_mode, known_owner = string.match(known, '^([^:]+):(.*)$')
  if known_owner ~= owner then return 'conflict' end
  if known_mode == wanted then return 'held' end
end
L.change_hold(name, wanted, owner)
return L.book('hold', 'held')
