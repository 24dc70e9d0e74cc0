"""Backtests: a recording traded by the same pure code as the services, without a loop, a bus or a server."""
