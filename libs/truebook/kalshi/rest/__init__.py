"""The REST client: signed calls, their errors, and markets joined with their metadata."""
