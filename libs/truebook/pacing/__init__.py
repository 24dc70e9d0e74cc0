"""How often something may be done: throttle, circuit breaker, token bucket. Pure: the time is passed in."""
