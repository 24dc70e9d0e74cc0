"""Recorded chunks as columns: best prices after each row, and trades paired with their deltas."""
