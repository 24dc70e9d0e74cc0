"""What an action means for the orders of a market: the pure part of the service ``execution``."""
