"""Evidence for ``truebook why``: counts and records of what happened to each book update, decision and quote."""
