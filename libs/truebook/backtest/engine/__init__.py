"""The engine of backtests: exchange, books, observation, decision and execution on one virtual clock."""
