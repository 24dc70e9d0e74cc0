"""What every service runs in: frames, settings, logs, metrics, health, the event loops and the state folder."""
