"""The in-process bus, for the embedded system and for tests."""
