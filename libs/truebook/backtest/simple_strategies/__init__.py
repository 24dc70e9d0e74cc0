"""Simple strategies on synthetic markets, over many seeds: none may earn on a market that is as hard as a real one."""
