#!/usr/bin/env bash
# kalshi-typescript: the requests of a second account are signed with the key of the first
#
# Guess: Two PortfolioApi objects with two configurations sign with their own keys: getBalance() of each returns the
# balance of its account. A MarketApi object without a key sends no key.
# Seen: Each object adds its signing step to the one HTTP client that all objects share, and the step that was added
# first has the last word. All requests carry the key of the first object, also those of the object without a key. In
# the other order of creation all of them carry the key of the other account. An HTTP client of its own for each object
# (third argument) gives the expected keys.
# Why it matters: One process that trades two accounts (or demo and production) reads the balance of the wrong account
# and would place its orders there. Nothing fails, and the order of two lines decides which account it is.
# Packages: kalshi-typescript==3.30.0, axios==1.21.1; recorded with Node.js 20
# Run: bash findings/kalshi-typescript-second-account-uses-first-key.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund kalshi-typescript@3.30.0 axios@1.21.1 >> npm.log
cat > expected.txt <<'EXPECTED'
shared HTTP client, first object is account A
  object of account A sent the key of account-a
  object of account B sent the key of account-a
  object without key sent the key of account-a
shared HTTP client, first object is account B
  object of account A sent the key of account-b
  object of account B sent the key of account-b
  object without key sent the key of account-b
one HTTP client for each object
  object of account A sent the key of account-a
  object of account B sent the key of account-b
  object without key sent the key of no account
EXPECTED
cat > program.cjs <<'PROGRAM'
const axios = require("axios");
const { generateKeyPairSync } = require("crypto");
const { createServer } = require("http");
const { Configuration, MarketApi, PortfolioApi } = require("kalshi-typescript");

const scenario = process.argv[2];
const privateKeyPem = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
  type: "pkcs1",
  format: "pem",
});
let key;
const server = createServer((request, response) => {
  key = request.headers["kalshi-access-key"] ?? "no account";
  response.setHeader("content-type", "application/json");
  response.end("{}");
});

server.listen(0, "127.0.0.1", async () => {
  const basePath = `http://127.0.0.1:${server.address().port}/trade-api/v2`;
  const http = () => (scenario === "own" ? axios.create() : undefined);
  const portfolio = (apiKey) =>
    new PortfolioApi(new Configuration({ apiKey, privateKeyPem, basePath }), basePath, http());
  let a, b;
  if (scenario === "b-first") {
    b = portfolio("account-b");
    a = portfolio("account-a");
  } else {
    a = portfolio("account-a");
    b = portfolio("account-b");
  }
  const open = new MarketApi(new Configuration({ basePath }), basePath, http());
  await a.getBalance();
  console.log("  object of account A sent the key of", key);
  await b.getBalance();
  console.log("  object of account B sent the key of", key);
  await open.getMarkets();
  console.log("  object without key sent the key of", key);
  server.close();
  server.closeAllConnections();
});
PROGRAM
{
  echo "shared HTTP client, first object is account A"
  node program.cjs a-first
  echo "shared HTTP client, first object is account B"
  node program.cjs b-first
  echo "one HTTP client for each object"
  node program.cjs own
} > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
