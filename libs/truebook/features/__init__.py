"""Layouts: a model's input as a list of named pure functions of book, history, portfolio, orders, signals and time.

``layout("m1")`` returns a bundled layout; ``plugins.find_layout`` also finds installed ones. Live trading, backtests
and training use the same functions.
"""
