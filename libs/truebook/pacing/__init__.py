"""Limits how often something is done: throttle, circuit breaker, token bucket, due queue. Pure: time is passed in."""
