"""Order books: the levels of one market, sequence numbers, and a reader's copy with its staleness."""
