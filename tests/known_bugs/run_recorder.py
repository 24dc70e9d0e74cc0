"""A pytest plugin that records for ``proving`` which code ran and the result of each test.

It makes property tests fast and repeatable: the same examples each time, none stored, failing ones not shrunk.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

PACKAGES = ("truebook", "truebook_services")

hypothesis.settings.register_profile(
    "run_recorder",
    database=None,
    deadline=None,
    derandomize=True,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    report_multiple_bugs=False,
)
hypothesis.settings.load_profile("run_recorder")


class RunRecorder:
    """Collects the record and writes it when the session ends."""

    def __init__(self, report: Path, root: Path) -> None:
        self._report = report
        self._root = root
        self._tests: list[dict[str, str]] = []
        self._broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._broken.append(f"{report.nodeid}: {str(report.longrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" or not report.passed:
            raised = sorted({type(leaf).__name__ for leaf in leaves(call.excinfo.value)}) if call.excinfo else []
            message = str(call.excinfo.value).strip().partition("\n")[0][:200] if call.excinfo else ""
            self._tests.append(
                {"test": item.nodeid, "when": report.when, "outcome": report.outcome, "raised": " ".join(raised),
                 "message": message}
            )  # fmt: skip
        return report

    def pytest_sessionfinish(self) -> None:
        ran, elsewhere = [], []
        for name, module in sorted(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is None or name.partition(".")[0] not in PACKAGES:
                continue
            path = Path(file).resolve()
            if path.is_relative_to(self._root):
                ran.append(path.relative_to(self._root).as_posix())
            else:
                elsewhere.append(str(path))
        session = {"tests": self._tests, "broken": self._broken, "ran": ran, "elsewhere": elsewhere}
        self._report.write_text(json.dumps(session), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    root = config.rootpath.resolve()
    config.pluginmanager.register(RunRecorder(Path(os.environ["SESSION_REPORT"]), root))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the single errors of a group; an error that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error
