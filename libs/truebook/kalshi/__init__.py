"""Kalshi's API: ports and their types, signing, the allowed hosts, and the clients for REST and WebSocket."""
