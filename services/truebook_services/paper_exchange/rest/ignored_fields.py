"""Reports what a request names and nothing reads: a misspelled field is ignored silently by the exchange itself.

An order with ``postOnly`` instead of ``post_only`` is accepted, and may trade as taker. So every response lists such
names in the header ``Truebook-Ignored``, query parameters with a leading ``?``, and the log has one line per name and
account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

HEADER: Final = "truebook-ignored"
MAX_LOGGED: Final = 1_000
"""Names whose log line is remembered; beyond it, further ones are only in the header."""
_MAX_NAME: Final = 64
_MAX_NAMES: Final = 20


class IgnoredFields:
    """Remembers which names were logged."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._logged: set[tuple[str, str, str]] = set()

    def header(self, account: str, operation: str, names: Sequence[str]) -> dict[str, str]:
        """Return the header for these names, and log those that are new for the account."""
        shown = [_printable(name) for name in names[:_MAX_NAMES]]
        for name in shown:
            key = (account, operation, name)
            if key not in self._logged and len(self._logged) < MAX_LOGGED:
                self._logged.add(key)
                self._log.warning("field of a request ignored", account=account, operation=operation, field=name)
        return {HEADER: ", ".join(shown)} if shown else {}


def _printable(name: str) -> str:
    """Bound a name, and leave out what a header must not contain."""
    return "".join(character if 32 < ord(character) < 127 else "?" for character in name[:_MAX_NAME])
