#!/usr/bin/env bash
# lmsr (Rust): the prices of a market maker are infinite or NaN once traders have sold
#
# Guess: compute_price subtracts the largest score before the exponential, so it is stable for all volumes, and prices
# depend on the differences of the volumes only: (0, 100) and (-90000, -89900) with b=100 give 0.269 and 0.731.
# Seen: Volumes of 90000 are handled. With the same difference at -90000 both prices are infinite, the cost is minus
# infinity and the cost of a trade is NaN: the largest score is never taken to be less than 0. At -70000 the prices are
# still right, and the cost is finite.
# Why it matters: A market maker that takes the other side of traders who sell has negative volumes in all outcomes.
# The quotes are right for a long time and break at once, on one side of zero only.
# Packages: lmsr==0.1.0 (cargo); recorded with Rust 1.95
# Run: bash findings/market-lmsr-prices-after-sales.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat > Cargo.toml <<'PROGRAM'
[package]
name = "prices"
version = "0.1.0"
edition = "2021"

[dependencies]
lmsr = "=0.1.0"
PROGRAM
cat > expected.txt <<'EXPECTED'
volumes [0.0, 100.0]: prices 0.269 and 0.731, cost 131.33, 10 more cost 2.79
volumes [90000.0, 90100.0]: prices 0.269 and 0.731, cost 90131.33, 10 more cost 2.79
volumes [-1000.0, -900.0]: prices 0.269 and 0.731, cost -868.67, 10 more cost 2.79
volumes [-70000.0, -69900.0]: prices 0.269 and 0.731, cost -69868.67, 10 more cost 2.79
volumes [-90000.0, -89900.0]: prices inf and inf, cost -inf, 10 more cost NaN
EXPECTED
cat > src/main.rs <<'PROGRAM'
fn main() {
    for base in [0.0, 90_000.0, -1_000.0, -70_000.0, -90_000.0] {
        let volumes = [base, base + 100.0];
        let prices = lmsr::compute_price(100.0, &volumes);
        let cost = lmsr::cost(100.0, &volumes);
        let trade = lmsr::estimate(100.0, &volumes, 0, 10.0);
        println!(
            "volumes {:?}: prices {:.3} and {:.3}, cost {:.2}, 10 more cost {:.2}",
            volumes, prices[0], prices[1], cost, trade
        );
    }
}
PROGRAM
cargo run --quiet > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
