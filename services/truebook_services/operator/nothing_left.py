"""The operator's port where nothing has run yet, without the clients that a ledger or an exchange needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.port import WINDOW_S, HaltResult, NothingRecorded, Operator, ResumeResult, Status, Why
from truebook_services.operator.requests import Request, ResultT
from truebook_services.operator.run_files import EVIDENCE, LEDGER, SUMMARY


def nothing_left(settings: TruebookSettings) -> bool:
    """Whether no run has left a ledger, a summary or evidence: then nothing is to be opened."""
    folder = settings.state_path
    return settings.redis_url is None and not any((folder / name).exists() for name in (LEDGER, SUMMARY, EVIDENCE))


def no_ledger(folder: Path) -> NothingRecorded:
    """Return the error for a missing ledger."""
    return NothingRecorded(f"no ledger in {folder}: nothing has run here yet", "start with `truebook run`")


def no_evidence(settings: TruebookSettings) -> NothingRecorded:
    """Return the error for missing evidence; it names the accounts of the state folder that have some."""
    others = sorted(path.parent.name for path in settings.state_folder.glob(f"*/{EVIDENCE}"))
    hint = f"; {', '.join(others)} has some: set TRUEBOOK_MARKET_DATA=capture for a recording's" if others else ""
    return NothingRecorded(
        f"no evidence in {settings.state_path}: nothing has run here yet", f"start with `truebook run`{hint}"
    )


class NothingLeft(Operator):
    """Raises ``NothingRecorded``, as ``StoppedOperator`` does after a search for the same files."""

    def __init__(self, settings: TruebookSettings, stopped: Callable[[], Operator]) -> None:
        """``stopped`` returns the port that handles the other requests."""
        self._settings = settings
        self._stopped = stopped

    async def status(self, window_s: float = WINDOW_S) -> Status:
        raise no_ledger(self._settings.state_path)

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        raise no_evidence(self._settings)

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        raise no_ledger(self._settings.state_path)

    async def resume(self, hold: str | None = None) -> ResumeResult:
        raise no_ledger(self._settings.state_path)

    async def perform(self, request: Request[ResultT]) -> ResultT:
        return await self._stopped().perform(request)
