"""Data sets for training without an environment: the vectors that a live model is given, with labels, as Parquet."""
