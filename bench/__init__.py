"""Benchmarks: ours beside the bare libraries, as ratios. `make bench`; no part of the distribution."""
