"""The report of a backtest: one HTML file without any network request, and the same numbers as JSON."""
