"""Order books: the levels of one market, sequence numbers, and a reader's replica with its staleness."""
