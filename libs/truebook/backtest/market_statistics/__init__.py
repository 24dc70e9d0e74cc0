"""Statistics of market data, the same for recordings and for synthetic traders: books, updates, trades, price moves."""
