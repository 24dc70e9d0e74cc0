#!/usr/bin/env bash
# @dsnp/parquetjs: a price of 0.57 is written as 0.5699, and a narrow column is read back with zeros in between
#
# Guess: A DECIMAL column with four decimals stores 0.57 as 0.5700, and the package reads its own file.
# Seen: The price is multiplied by 10000 as a binary float and cut off: of the 99 whole cents, 0.57 and 0.69 are stored
# one unit too low (pyarrow reads 0.5699). A column of precision 9 is read back by the package itself as 0.5699, 0,
# 0.29, 0: every second value is a zero, and the last half of the values is lost.
# Why it matters: The file of a recorder lacks a hundredth of a cent at some prices only, so sums are slightly off and
# a lookup of 0.57 finds nothing. The zeros read as prices of worthless contracts.
# Packages: @dsnp/parquetjs==1.8.8 (npm), pyarrow==26.0.1 (pip); recorded with Node.js 20 and Python 3.11
# Run: bash findings/parquet-parquetjs-price-a-tick-lower.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund @dsnp/parquetjs@1.8.8 >> npm.log
cat > expected.txt <<'EXPECTED'
precision 9, read by parquetjs: 0.5699 0 0.29 0
precision 18, read by parquetjs: 0.5699 0.29 0.4 0.99
precision 9, read by pyarrow: 0.5699 0.2900 0.4000 0.9900
precision 18, read by pyarrow: 0.5699 0.2900 0.4000 0.9900
2 of 99 cents are wrong: 0.57 is 0.5699, 0.69 is 0.6899
EXPECTED
cat > program.cjs <<'PROGRAM'
const { ParquetReader, ParquetSchema, ParquetWriter } = require("@dsnp/parquetjs");

async function write(file, precision, prices) {
  const schema = new ParquetSchema({ price: { type: "DECIMAL", precision, scale: 4 } });
  const writer = await ParquetWriter.openFile(schema, file);
  for (const price of prices) await writer.appendRow({ price });
  await writer.close();
}

(async () => {
  const cents = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
  await write("cents.parquet", 18, cents);
  for (const precision of [9, 18]) {
    const file = `precision${precision}.parquet`;
    await write(file, precision, [0.57, 0.29, 0.4, 0.99]);
    const reader = await ParquetReader.openFile(file);
    const cursor = reader.getCursor();
    const prices = [];
    for (let row = await cursor.next(); row; row = await cursor.next()) prices.push(row.price);
    await reader.close();
    console.log(`precision ${precision}, read by parquetjs: ${prices.join(" ")}`);
  }
})();
PROGRAM
cat > check.py <<'PROGRAM'
from decimal import Decimal

import pyarrow.parquet as parquet

for precision in (9, 18):
    prices = parquet.read_table(f"precision{precision}.parquet")["price"].to_pylist()
    print(f"precision {precision}, read by pyarrow:", *prices)
cents = parquet.read_table("cents.parquet")["price"].to_pylist()
wrong = [f"{i / 100:.2f} is {price}" for i, price in enumerate(cents, 1) if price != Decimal(i) / 100]
print(len(wrong), "of 99 cents are wrong:", ", ".join(wrong))
PROGRAM
{
  node program.cjs
  "$work/venv/bin/python" -W ignore check.py
} > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
