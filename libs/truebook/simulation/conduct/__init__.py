"""How a client behaves under faults: its recorded requests, and the judgement of them."""
