"""Benchmarks that compare Truebook with the bare libraries, as ratios: `make bench`. Not part of the distribution."""
