"""Prove that the tests find a bug: put it into a copy of the tree and see them fail there, for the right reason.

The judgement is pure (``judge_green``, ``judge_red``); ``Proof`` holds the copy and runs pytest in it.
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
ONE_RUN_WITHIN_S = 120.0
ONE_TEST_WITHIN_S = 30


@dataclass(frozen=True)
class Ended:
    """How one test ended: ``when`` is setup, call or teardown; ``raised`` the names of what it raised."""

    test: str
    when: str
    outcome: str
    raised: frozenset[str] = frozenset()
    says: str = ""


@dataclass(frozen=True)
class Seen:
    """What the witness saw of one run. ``ran`` are the source files of the copy that were imported."""

    tests: Sequence[Ended] = ()
    broken: Sequence[str] = ()
    ran: frozenset[str] = frozenset()
    elsewhere: Sequence[str] = ()
    output: str = field(default="", repr=False)


@dataclass(frozen=True)
class Verdict:
    """``found_by`` is the test that turned red; ``wrong`` says why this is no proof, empty where it is one."""

    found_by: str = ""
    says: str = ""
    wrong: str = ""


def judge_green(named: Sequence[str], seen: Seen) -> str:
    """Say why the tests are not all green on the tree as it is; empty where they are."""
    wrong = _did_not_run_here(seen)
    if wrong:
        return wrong
    bad = [ended for ended in seen.tests if ended.outcome == "failed"]
    if bad:
        return f"{bad[0].test} fails without any patch: {' '.join(sorted(bad[0].raised))}: {bad[0].says}"
    passed = {ended.test for ended in seen.tests if ended.outcome == "passed"}
    missing = [name for name in named if not any(_belongs(test, name) for test in passed)]
    return f"no test of that name passes: {missing[0]}" if missing else ""


def judge_red(patch: BugPatch, seen: Seen) -> Verdict:
    """Judge a run with the patch: a named test must have failed by a claim, in code that the patch has changed."""
    wrong = _did_not_run_here(seen)
    if wrong:
        return Verdict(wrong=wrong)
    idle = [file for file in patch.files if file.endswith(".py") and file not in seen.ran]
    if idle:
        return Verdict(wrong=f"the patched file was not run: {idle[0]}")
    failed = [ended for ended in seen.tests if ended.outcome == "failed"]
    if not failed:
        return Verdict(wrong="nothing turned red")
    first = failed[0]
    if first.when != "call" or not first.raised <= patch.raises:
        kinds = " ".join(sorted(first.raised))
        return Verdict(wrong=f"{first.test} broke instead of failing ({first.when}): {kinds}: {first.says}")
    return Verdict(found_by=first.test, says=first.says)


def _did_not_run_here(seen: Seen) -> str:
    if seen.broken:
        return f"the tests can't be loaded: {seen.broken[0]}"
    if seen.elsewhere:
        return f"other code than the copy's was run: {seen.elsewhere[0]}"
    if not seen.tests:
        last = seen.output.strip().splitlines()[-1:] or ["pytest said nothing"]
        return f"no test was run: {last[0]}"
    return ""


def _belongs(test: str, name: str) -> bool:
    return test == name or test.startswith((f"{name}[", f"{name}::"))


class Proof:
    """A copy of the tree, in which patches come and go."""

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
        """Run every named test on the tree as it is; answers why that is no ground to prove on, empty if it is."""
        named = sorted({name for patch in patches for name in patch.red})
        return judge_green(named, self._run(named, keep_bytecode=True, within_s=ONE_RUN_WITHIN_S * 3))

    def red(self, patch: BugPatch) -> Verdict:
        """Put the bug in, run its tests up to the first that fails, take it out again."""
        before = {file: (self.copy / file).stat() for file in patch.files if (self.copy / file).exists()}
        kept = {file: (self.copy / file).read_bytes() for file in before}
        in_the_way = apply(patch, self.copy)
        if in_the_way:
            return Verdict(wrong=f"does not apply: {in_the_way.splitlines()[0]}")
        try:
            return judge_red(patch, self._run(patch.red))
        finally:
            for file, content in kept.items():
                (self.copy / file).write_bytes(content)
                os.utime(self.copy / file, ns=(before[file].st_atime_ns, before[file].st_mtime_ns))

    def _run(self, tests: Sequence[str], *, keep_bytecode: bool = False, within_s: float = ONE_RUN_WITHIN_S) -> Seen:
        """Run these tests in the copy. Byte code is kept of the tree as it is only, never of a patched file."""
        report = self.copy / "witness.json"
        report.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "pytest", "-p", "witness", "-p", "no:cacheprovider", "-x", "-q", "--no-header",
            f"--timeout={ONE_TEST_WITHIN_S}", "--rootdir", str(self.copy), "-c", str(self.copy / "pyproject.toml"),
            *tests,
        ]  # fmt: skip
        # Settings of the one who runs this must not reach the tests: they name data that the copy does not have.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRUEBOOK_", "PYTEST_"))
        }
        paths = [self.copy / "libs", self.copy / "services", self.copy / "tests", self.copy / "tests/known_bugs"]
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), "WITNESS_REPORT": str(report)}
        if not keep_bytecode:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            done = subprocess.run(
                command, cwd=self.copy, env=environment, capture_output=True, text=True, check=False, timeout=within_s
            )
        except subprocess.TimeoutExpired:
            return Seen(broken=[f"not done within {within_s:.0f} s"])
        output = done.stdout + done.stderr
        return read_report(report, output) if report.exists() else Seen(output=output)


def read_report(report: Path, output: str = "") -> Seen:
    """Read what the witness wrote."""
    told = json.loads(report.read_text(encoding="utf-8"))
    tests = [Ended(**{**each, "raised": frozenset(each["raised"].split())}) for each in told["tests"]]
    return Seen(
        tests=tests, broken=told["broken"], ran=frozenset(told["ran"]), elsewhere=told["elsewhere"], output=output
    )
