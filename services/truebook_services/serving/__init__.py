"""A service as its own process: settings, dependencies, durability checks, exit codes."""
