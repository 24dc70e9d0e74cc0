"""Paper accounts on live market data: what a model would have earned, beside the one that trades."""
