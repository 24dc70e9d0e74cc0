"""What an observation is made of: the pure part of the service ``observation``, which the backtest shares."""
