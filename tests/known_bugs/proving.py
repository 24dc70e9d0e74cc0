"""Prove that the tests find a bug: apply its patch to a copy of the tree and check that they fail for the right reason.

The judgement is pure (``judge_green``, ``judge_red``); ``Proof`` owns the copy and runs pytest in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bug_patches import BugPatch, apply

COPIED = ("libs", "services", "tests", "deploy/models", "docs", "pyproject.toml")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".hypothesis", ".pytest_cache")
ONE_RUN_WITHIN_S = 240.0
ONE_TEST_WITHIN_S = 90  # longer than the bounds of 60 s that the tests have themselves


@dataclass(frozen=True)
class CaseResult:
    """The result of one test: ``when`` is setup, call or teardown; ``raised`` the names of its exceptions."""

    test: str
    when: str
    outcome: str
    raised: frozenset[str] = frozenset()
    message: str = ""


@dataclass(frozen=True)
class Session:
    """The record of one pytest session; ``ran`` are the source files of the copy that were imported."""

    tests: Sequence[CaseResult] = ()
    broken: Sequence[str] = ()
    ran: frozenset[str] = frozenset()
    elsewhere: Sequence[str] = ()
    output: str = field(default="", repr=False)


@dataclass(frozen=True)
class Verdict:
    """``found_by`` is the test that failed; ``problem`` explains why this is no proof, empty if it is one."""

    found_by: str = ""
    message: str = ""
    problem: str = ""


def judge_green(named: Sequence[str], session: Session) -> str:
    """Return why the tests do not all pass on the unchanged tree; empty if they do."""
    problem = _did_not_run_here(session)
    if problem:
        return problem
    bad = [run for run in session.tests if run.outcome == "failed"]
    if bad:
        return f"{bad[0].test} fails without a patch: {' '.join(sorted(bad[0].raised))}: {bad[0].message}"
    passed = {run.test for run in session.tests if run.outcome == "passed"}
    missing = [name for name in named if not any(_belongs(test, name) for test in passed)]
    return f"no test of that name passes: {missing[0]}" if missing else ""


def judge_red(patch: BugPatch, session: Session) -> Verdict:
    """Judge a session with the patch: a named test must have failed a check, in code that the patch changed."""
    problem = _did_not_run_here(session)
    if problem:
        return Verdict(problem=problem)
    idle = [file for file in patch.files if file.endswith(".py") and file not in session.ran]
    if idle:
        return Verdict(problem=f"the patched file was not run: {idle[0]}")
    failed = [run for run in session.tests if run.outcome == "failed"]
    if not failed:
        return Verdict(problem="no test failed")
    first = failed[0]
    if first.when != "call" or not first.raised <= patch.raises:
        kinds = " ".join(sorted(first.raised))
        return Verdict(problem=f"{first.test} broke instead of failing ({first.when}): {kinds}: {first.message}")
    return Verdict(found_by=first.test, message=first.message)


def _did_not_run_here(session: Session) -> str:
    if session.broken:
        return f"the tests can't be loaded: {session.broken[0]}"
    if session.elsewhere:
        return f"code outside of the copy was run: {session.elsewhere[0]}"
    if not session.tests:
        last = session.output.strip().splitlines()[-1:] or ["pytest printed nothing"]
        return f"no test was run: {last[0]}"
    return ""


def _belongs(test: str, name: str) -> bool:
    return test == name or test.startswith((f"{name}[", f"{name}::"))


class Proof:
    """A copy of the tree, in which patches are applied and reverted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="known-bugs-")
        self.copy = Path(self._folder.name).resolve() / "tree"

    def __enter__(self) -> Proof:
        for name in COPIED:
            source, target = self._root / name, self.copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=NOT_COPIED)
            else:
                shutil.copy2(source, target)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def green(self, patches: Sequence[BugPatch]) -> str:
        """Run every named test on the unchanged tree; return why it is no basis for proofs, empty if it is."""
        named = sorted({name for patch in patches for name in patch.red})
        return judge_green(named, self._run(named, keep_bytecode=True, within_s=ONE_RUN_WITHIN_S * 3))

    def red(self, patch: BugPatch) -> Verdict:
        """Apply the patch, run its tests up to the first failure, revert it."""
        before = {file: (self.copy / file).stat() for file in patch.files if (self.copy / file).exists()}
        kept = {file: (self.copy / file).read_bytes() for file in before}
        error = apply(patch, self.copy)
        if error:
            return Verdict(problem=f"does not apply: {error.splitlines()[0]}")
        try:
            return judge_red(patch, self._run(patch.red))
        finally:
            for file, content in kept.items():
                (self.copy / file).write_bytes(content)
                os.utime(self.copy / file, ns=(before[file].st_atime_ns, before[file].st_mtime_ns))

    def _run(self, tests: Sequence[str], *, keep_bytecode: bool = False, within_s: float = ONE_RUN_WITHIN_S) -> Session:
        """Run these tests in the copy. Keep byte code of the unchanged tree only, never of a patched file."""
        report = self.copy / "session.json"
        report.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "pytest", "-p", "run_recorder", "-p", "no:cacheprovider", "-x", "-q", "--no-header",
            f"--timeout={ONE_TEST_WITHIN_S}", "--rootdir", str(self.copy), "-c", str(self.copy / "pyproject.toml"),
            *tests,
        ]  # fmt: skip
        # Settings of the caller must not reach the tests: they name data that the copy does not have.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRUEBOOK_", "PYTEST_"))
        }
        paths = [self.copy / "libs", self.copy / "services", self.copy / "tests", self.copy / "tests/known_bugs"]
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), "SESSION_REPORT": str(report)}
        if not keep_bytecode:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            done = subprocess.run(
                command, cwd=self.copy, env=environment, capture_output=True, text=True, check=False, timeout=within_s
            )
        except subprocess.TimeoutExpired:
            return Session(broken=[f"timed out after {within_s:.0f} s"])
        output = done.stdout + done.stderr
        return read_report(report, output) if report.exists() else Session(output=output)


def read_report(report: Path, output: str = "") -> Session:
    """Read the record that the plugin wrote."""
    report_data = json.loads(report.read_text(encoding="utf-8"))
    tests = [CaseResult(**{**each, "raised": frozenset(each["raised"].split())}) for each in report_data["tests"]]
    return Session(
        tests=tests,
        broken=report_data["broken"],
        ran=frozenset(report_data["ran"]),
        elsewhere=report_data["elsewhere"],
        output=output,
    )
