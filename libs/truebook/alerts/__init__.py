"""Which conditions an operator is notified of, when, and in which words: the pure part of the service ``alerts``."""
