"""Calibration of the queue models: virtual passive orders against the trades and changes that followed."""
