#!/usr/bin/env bash
# zstddec, zstd-codec, @bokuweb/zstd-wasm, fzstd: one recording in Zstandard format has four lengths
#
# Guess: A file of one or more frames (RFC 8878 allows frames to follow each other) is decompressed in full, or refused
# with an error that names the reason. The length is that of the data.
# Seen: fzstd is right for all files. A frame of a streaming writer (without the size of its content) becomes 16 million
# bytes in zstddec: the data and then bytes that are mostly zero. zstd-codec returns null for it without an error.
# zstd-wasm reads two appended frames without a size and fails for two frames with a size, with the message "Failed to
# compress".
# Why it matters: A recorder of market data appends a frame per flush or per hour. Whether the reader gets the data, a
# tail of zero bytes, null or a misleading error depends on how the writer flushed, which a test with one frame hides.
# Packages: fzstd==0.1.1, zstddec==0.3.4, zstd-codec==0.1.5, @bokuweb/zstd-wasm==0.0.27 (npm), zstandard==0.25.0 (pip);
# recorded with Node.js 20 and Python 3.11
# Run: bash findings/stream-zstd-appended-recording-four-lengths.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check zstandard==0.25.0
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund \
  fzstd@0.1.1 \
  zstddec@0.3.4 \
  zstd-codec@0.1.5 \
  @bokuweb/zstd-wasm@0.0.27 >> npm.log
cat > expected.txt <<'EXPECTED'
one frame with size
  fzstd: 3000 bytes
  zstddec: 3000 bytes
  zstd-codec: 3000 bytes
  zstd-wasm: 3000 bytes
two frames with size
  fzstd: 6000 bytes
  zstddec: 6000 bytes
  zstd-codec: null
  zstd-wasm: raised: Failed to compress with code -70
one frame without size
  fzstd: 3000 bytes
  zstddec: 3000 bytes and more than 16 million others
  zstd-codec: null
  zstd-wasm: 3000 bytes
two frames without size
  fzstd: 6000 bytes
  zstddec: 6000 bytes and more than 16 million others
  zstd-codec: null
  zstd-wasm: 6000 bytes
EXPECTED
"$work/venv/bin/python" - <<'PROGRAM'
import pathlib

import zstandard

first, second = b'{"seq":11}\n{"p":57}\n' * 150, b'{"seq":12}\n{"p":58}\n' * 150


def streamed(data):
    writer = zstandard.ZstdCompressor().compressobj()
    return writer.compress(data) + writer.flush()


sized = zstandard.ZstdCompressor().compress
for name, frames in {
    "one frame with size": sized(first),
    "two frames with size": sized(first) + sized(second),
    "one frame without size": streamed(first),
    "two frames without size": streamed(first) + streamed(second),
}.items():
    pathlib.Path(f"{name}.zst").write_bytes(frames)
PROGRAM
cat > program.mjs <<'PROGRAM'
import { readFileSync } from "node:fs";
import zstdWasm from "@bokuweb/zstd-wasm";
import * as fzstd from "fzstd";
import zstdCodec from "zstd-codec";
import { ZSTDDecoder } from "zstddec";

const zstddec = new ZSTDDecoder();
await zstddec.init();
await zstdWasm.init();
const codec = await new Promise((resolve) => zstdCodec.ZstdCodec.run((zstd) => resolve(new zstd.Simple())));

for (const frames of ["one frame with", "two frames with", "one frame without", "two frames without"]) {
  const name = `${frames} size`;
  const data = new Uint8Array(readFileSync(`${name}.zst`));
  const show = (label, run) => {
    let text;
    try {
      const result = run();
      const size = name.startsWith("two") ? 6000 : 3000;
      if (result === null) text = "null";
      else if (result.length <= size) text = `${result.length} bytes`;
      else text = `${size} bytes and more than ${Math.floor((result.length - size) / 1e6)} million others`;
    } catch (error) {
      text = `raised: ${error.message}`;
    }
    console.log(`  ${label}: ${text}`);
  };
  console.log(name);
  show("fzstd", () => fzstd.decompress(data));
  show("zstddec", () => zstddec.decode(data));
  show("zstd-codec", () => codec.decompress(data));
  show("zstd-wasm", () => zstdWasm.decompress(data));
}
PROGRAM
node program.mjs > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
