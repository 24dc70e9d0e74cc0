"""What a model sees: layouts of named pure functions of book, history, portfolio, orders, signals and time.

``layout("m1")`` finds a shipped layout; ``plugins.find_layout`` also finds a user's own. The same functions serve
live trading, backtests and training.
"""
