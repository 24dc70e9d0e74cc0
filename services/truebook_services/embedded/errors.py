"""Expected errors of the embedded system."""

from __future__ import annotations


class StartInterrupted(Exception):
    """A signal ended the run before its start was complete: nothing was sent."""
