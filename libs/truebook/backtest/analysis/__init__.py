"""What results mean: statistics with intervals, scores, comparison, splits of data."""
