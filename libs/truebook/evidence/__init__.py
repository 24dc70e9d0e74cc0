"""Evidence: what became of every book change, decision and quote, counted and kept so that it can be asked why."""
