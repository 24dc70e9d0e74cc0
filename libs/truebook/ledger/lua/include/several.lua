-- Scripts that take several calls (`reserve`): callers that wait at the same time share what a script costs before its
-- first rule, and the reading of the account. Every call has its own arguments, writes, journal entry and reply.

local S
S = {
  one = function(run, each)
    arguments, args = each, cjson.decode(each)
    return run()
  end,

  -- Run `run` for the arguments of each call, in order; an error is the reply of its call only. What a call has not
  -- committed is undone. Markets and events are read again, the account is the one that was stored.
  replies = function(run)
    local replies = {}
    for i, each in ipairs(ARGV) do
      local is_done, reply = pcall(S.one, run, each)
      if not is_done and type(reply) ~= 'table' then reply = { err = 'ERR ' .. tostring(reply) } end
      replies[i] = reply
      D.discard_changes()
      is_loaded = is_done -- an error may be that of a write
    end
    return replies
  end,
}
