"""Settings of the operator's API."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from truebook.runtime.settings import Section


class OperatorSettings(Section):
    """The API listens on loopback only; a file in the state folder holds its address and token."""

    port: int = Field(default=0, ge=0, le=65_535)
    """0 takes any free port."""
    cancel_timeout_s: float = Field(default=10.0, gt=0)
    """How long a halt waits for the exchange to confirm the cancellation of all orders."""
    find_systems: Literal["machine", "folder"] = "machine"
    """Where ``truebook halt`` looks for running systems: on the whole machine, or in ``state_folder`` only."""
