#!/usr/bin/env bash
# apache-arrow (JavaScript): a price of 0.57 is 5700, and 570000 in a column with six decimals
#
# Guess: A value of a decimal(10, 4) column converts to 0.57 by Number() and String(), as in Python. Equal prices of
# columns with different scales are equal.
# Seen: Number, String, the table's text and JSON give the integer without the scale: 5700 for four decimals, 570000 for
# six, and one is "less" than the other. JSON puts quotes into the quotes. The scale is only in the type of the column.
# hyparquet reads the same columns from a Parquet file as 0.57.
# Why it matters: Prices with four decimals and fees with six meet in one Kalshi table. A sum or a comparison over both
# is off by a factor of 100 with no error, and a browser chart shows the price 5700.
# Packages: apache-arrow==21.2.0, hyparquet==1.33.0 (npm), pyarrow==26.0.1 (pip); recorded with Node.js 20 and
# Python 3.11
# Run: bash findings/parquet-arrow-js-price-loses-its-scale.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund apache-arrow@21.2.0 hyparquet@1.33.0 >> npm.log
cat > expected.txt <<'EXPECTED'
pyarrow: 0.5700 0.570000 -0.0300 True 0.57
arrow String: 5700 570000 -300
arrow Number: 5700 570000 -300
arrow table: [ {"price": 5700, "price6": 570000, "pnl": -300} ]
arrow JSON of the row: {"price":"\"5700\"","price6":"\"570000\"","pnl":"\"-300\""}
arrow price < price6: true
arrow types: Decimal[10e+4] Decimal[12e+6] Decimal[10e+4]
hyparquet: {"price":0.57,"price6":0.57,"pnl":-0.03}
EXPECTED
cat > write.py <<'PROGRAM'
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as parquet

table = pa.table(
    {
        "price": pa.array([Decimal("0.5700")], pa.decimal128(10, 4)),
        "price6": pa.array([Decimal("0.570000")], pa.decimal128(12, 6)),
        "pnl": pa.array([Decimal("-0.0300")], pa.decimal128(10, 4)),
    }
)
row = table.to_pylist()[0]
print("pyarrow:", *row.values(), row["price"] == row["price6"], float(row["price"]))
parquet.write_table(table, "prices.parquet")
with pa.OSFile("prices.arrow", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
    writer.write_table(table)
PROGRAM
cat > program.mjs <<'PROGRAM'
import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";

const table = tableFromIPC(readFileSync("prices.arrow"));
const [price, price6, pnl] = ["price", "price6", "pnl"].map((name) => table.getChild(name).get(0));
console.log("arrow String:", String(price), String(price6), String(pnl));
console.log("arrow Number:", Number(price), Number(price6), Number(pnl));
console.log("arrow table:", table.toString().replace(/\s+/g, " "));
console.log("arrow JSON of the row:", JSON.stringify(table.get(0)));
console.log("arrow price < price6:", Number(price) < Number(price6));
console.log("arrow types:", table.schema.fields.map((field) => `${field.type}`).join(" "));
const rows = await parquetReadObjects({ file: await asyncBufferFromFile("prices.parquet") });
console.log("hyparquet:", JSON.stringify(rows[0]));
PROGRAM
{
  "$work/venv/bin/python" -W ignore write.py
  node program.mjs
} > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
