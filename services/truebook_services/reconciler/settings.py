"""Settings of the reconciler; every field has a default."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReconcilerSettings(BaseModel):
    """How often ledger and exchange are compared, and what may be repaired without a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    orders_s: float = Field(default=3.0, gt=0)
    """How often open and unknown orders are compared."""
    account_s: float = Field(default=30.0, gt=0)
    """How often positions and balance are compared; while something differs, with every comparison of orders."""
    opening_poll_s: float = Field(default=0.2, gt=0)
    """How often is looked whether all orders have ended before the account is opened."""
    grace_s: float = Field(default=2.0, ge=0)
    """Younger orders are left to execution and fill listener: lists lag behind answers."""
    overlap_s: float = Field(default=60.0, ge=0)
    """Fills are read from so long before the watermark."""
    persist_rounds: int = Field(default=4, ge=2)
    persist_s: float = Field(default=10.0, ge=0)
    """A difference is a residue once it has shown the same amount in so many rounds and for so long (real)."""
    adjust_at_most_micros: int = Field(default=10_000, ge=0)
    """A residue of cash up to this (one cent) is booked; a larger one, or any of a position, halts."""
    forget_every_s: float = Field(default=600.0, gt=0)
    forget_after_s: float = Field(default=86_400.0, ge=3_600)
    """Terminal orders and the ids of their fills are kept for so long, and two rounds of forgetting at least."""
    journal_s: float = Field(default=1.0, gt=0)
    """How often the ledger's journal is copied to where it is kept for ever."""
    journal_keep: int = Field(default=10_000, ge=100)
    """Copied entries that the ledger itself keeps, about 0.5 KB each."""
