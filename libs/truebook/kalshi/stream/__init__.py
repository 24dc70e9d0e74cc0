"""The WebSocket client: the connection, commands, decoded frames and error codes."""
