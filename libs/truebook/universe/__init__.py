"""Which markets are followed and when that is decided again: the pure part of ingest, which the backtest shares."""
