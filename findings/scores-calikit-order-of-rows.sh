#!/usr/bin/env bash
# calikit: the calibration error of equal forecasts depends on the order of the rows
#
# Guess: 100 forecasts of 0.50 with 50 YES and 50 NO results are perfectly calibrated in each order: expected
# calibration error (ECE) 0.
# Seen: With the default bins (equal numbers) the ECE is 0.5 when the NO results come first, 0 when the results
# alternate, 0.1 when they come in pairs: rows of one price are split over bins in their order in the file. Bins of
# equal width give 0.
# Why it matters: Kalshi prices are whole cents, so most forecasts are ties, and settled markets are often listed by
# time. The same record can get a perfect or the worst grade.
# Packages: calikit==0.1.0; recorded with Python 3.11
# Run: bash findings/scores-calikit-order-of-rows.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  calikit==0.1.0
cat > "$work/expected.txt" <<'EXPECTED'
NO results first, mass: 10 bins, ECE 0.500
NO results first, width: 1 bins, ECE 0.000
alternating, mass: 10 bins, ECE 0.000
alternating, width: 1 bins, ECE 0.000
in pairs, mass: 10 bins, ECE 0.100
in pairs, width: 1 bins, ECE 0.000
in tens, mass: 10 bins, ECE 0.500
in tens, width: 1 bins, ECE 0.000
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import calikit

half_and_half = {
    "NO results first": [0] * 50 + [1] * 50,
    "alternating": [0, 1] * 50,
    "in pairs": [0, 0, 1, 1] * 25,
    "in tens": ([0] * 10 + [1] * 10) * 5,
}
for label, results in half_and_half.items():
    for scheme in ("mass", "width"):
        bins = calikit.bin_predictions([0.5] * 100, results, 10, scheme)
        print(f"{label}, {scheme}: {len(bins)} bins, ECE {calikit.ece(bins):.3f}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
