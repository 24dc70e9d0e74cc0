"""The patches apply to the code, the page lists each, and only a failed check is a proof.

That the tests find the bugs is shown by ``make prove``, which takes a few minutes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bug_patches import MUST_BE_PATCHED, ROOT, BadHeader, BugPatch, apply, read_patch, read_patches
from proving import CaseResult, Proof, Session, Verdict, judge_green, judge_red

PATCHES = read_patches()
PAGE = ROOT / "docs" / "predecessor-failures.md"
CODE = "libs/truebook/money.py"
TEST = "tests/unit/money/test_money.py::test_a"
PATCH = BugPatch(
    path=Path("F01.patch"), bug="F01", there="", here="", red=(TEST,), raises=frozenset({"AssertionError", "Failed"}),
    files=(CODE,),
)  # fmt: skip


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_still_applies(patch: BugPatch) -> None:
    assert apply(patch, ROOT, check=True) == ""


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_the_tests_that_a_patch_names_exist(patch: BugPatch) -> None:
    for name in patch.red:
        file, *parts = name.partition("[")[0].split("::")
        texts = [path.read_text() for path in (ROOT / file, *(ROOT / "tests/support").glob("*_contract.py"))]
        assert all(any(re.search(rf"(def|class) {part}\b", text) for text in texts) for part in parts), name


def test_every_failure_that_could_happen_here_has_a_patch() -> None:
    assert {f"F{number:02}" for number in MUST_BE_PATCHED} <= {patch.bug for patch in PATCHES}
    assert all(patch.name.partition("-")[0] == patch.bug for patch in PATCHES)


def test_the_page_lists_thirty_failures_and_every_patch() -> None:
    rows = dict(re.findall(r"^\| ([EF]\d+) \|(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert [name for name in rows if name[0] == "F"] == [f"F{number}" for number in range(1, 31)]
    listed = {name for row in rows.values() for name in re.findall(r"`([EF]\d\d(?:-[a-z-]+)?)`", row)}
    assert listed == {patch.name for patch in PATCHES}
    for patch in PATCHES:
        row = rows[f"{patch.bug[0]}{int(patch.bug[1:])}"]
        assert f"`{patch.name}`" in row, "a patch is listed in the row of its failure"


def test_the_files_that_the_page_names_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text)) - {path.name for path in (ROOT / "tests").rglob("*.py")}
    named = {name.replace("services/", "services/truebook_services/", 1) for name in files}
    folders = (ROOT, ROOT / "libs" / "truebook")
    assert [name for name in sorted(named) if not any((folder / name).is_file() for folder in folders)] == []


def run(outcome: str = "failed", raised: str = "AssertionError", when: str = "call", test: str = TEST) -> CaseResult:
    return CaseResult(test=test, when=when, outcome=outcome, raised=frozenset(raised.split()), message="1 == 2")


RAN = frozenset({CODE})


@pytest.mark.parametrize(
    ("session", "problem"),
    [
        (Session(tests=[run()], ran=RAN), ""),
        (Session(tests=[run(raised="Failed")], ran=RAN), ""),
        (Session(tests=[run("passed", ""), run(test=f"{TEST}[2]")], ran=RAN), ""),
        (Session(tests=[run("passed", "")], ran=RAN), "no test failed"),
        (Session(tests=[run(raised="ImportError")], ran=RAN), "broke instead of failing"),
        (Session(tests=[run(raised="AssertionError NameError")], ran=RAN), "broke instead of failing"),
        (Session(tests=[run(when="setup")], ran=RAN), "broke instead of failing"),
        (Session(tests=[run()]), "the patched file was not run"),
        (Session(tests=[run()], ran=RAN, elsewhere=["/usr/lib/truebook/money.py"]), "code outside of the copy"),
        (Session(broken=["tests/unit/money: SyntaxError"], ran=RAN), "can't be loaded"),
        (Session(output="ERROR: not found: tests/unit/money"), "no test was run: ERROR: not found"),
        (Session(), "no test was run"),
    ],
)
def test_only_a_failed_check_in_patched_code_is_a_proof(session: Session, problem: str) -> None:
    verdict = judge_red(PATCH, session)
    assert problem in verdict.problem
    assert bool(verdict.problem) == bool(problem) != bool(verdict.found_by)


def test_another_error_counts_if_the_patch_names_it() -> None:
    session = Session(tests=[run(raised="FrameError")], ran=RAN)
    announced = BugPatch(**{**vars(PATCH), "raises": PATCH.raises | {"FrameError"}})
    assert judge_red(PATCH, session).problem
    assert judge_red(announced, session) == Verdict(found_by=TEST, message="1 == 2")


@pytest.mark.parametrize(
    ("session", "problem"),
    [
        (Session(tests=[run("passed", "")]), ""),
        (Session(tests=[run("passed", "", test=f"{TEST}[case]")]), ""),
        (Session(tests=[run("passed", ""), run(test="other")]), "fails without a patch"),
        (Session(tests=[run("skipped", "")]), "no test of that name passes"),
        (Session(tests=[run("passed", "", test=f"{TEST}_b")]), "no test of that name passes"),
        (Session(), "no test was run"),
    ],
)
def test_every_named_test_must_pass_without_a_patch(session: Session, problem: str) -> None:
    verdict = judge_green([TEST], session)
    assert problem in verdict
    assert bool(verdict) == bool(problem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Bug: F01\nThere: a\nHere: b\n\n--- a/x\n+++ b/x\n", "missing header Red"),
        ("Bug: F01\nTher: a\n\n+++ b/x\n", "not a line of a header"),
        ("Bug: F01\nThere: a\nHere: b\nRed: t\n\nnothing\n", "changes nothing"),
    ],
)
def test_a_malformed_header_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "F01.patch"
    path.write_text(text)
    with pytest.raises(BadHeader, match=message):
        read_patch(path)


def tree(root: Path, code: str, test: str) -> None:
    """Write a small tree with one module and one test."""
    files = {
        "libs/truebook/__init__.py": "", "libs/truebook/money.py": code, "services/truebook_services/__init__.py": "",
        "tests/test_it.py": test, "deploy/models/build.py": "", "docs/page.md": "",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["libs", "services"]\n',
    }  # fmt: skip
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "tests/known_bugs").mkdir()
    (root / "tests/known_bugs/run_recorder.py").write_text(Path(__file__).with_name("run_recorder.py").read_text())


def test_a_bug_is_applied_found_and_reverted(tmp_path: Path) -> None:
    check = "from truebook.money import no_price\n\n\ndef test_it():\n    assert no_price(36) == 64\n"
    tree(tmp_path / "root", "def no_price(price):\n    return 100 - price\n", check)
    diff = "--- a/libs/truebook/money.py\n+++ b/libs/truebook/money.py\n@@ -1,2 +1,2 @@\n def no_price(price):\n"
    for name, code in (("F01", "    return 99 - price"), ("F02", "    return -(price - 100)")):
        header = f"Bug: {name}\nThere: a\nHere: b\nRed: tests/test_it.py::test_it\n\n"
        (tmp_path / f"{name}.patch").write_text(f"{header}{diff}-    return 100 - price\n+{code}\n")
    found, harmless = read_patches(tmp_path)
    with Proof(tmp_path / "root") as proof:
        assert proof.green([found, harmless]) == ""
        assert proof.red(found).found_by == "tests/test_it.py::test_it"
        assert proof.red(harmless).problem == "no test failed"
        assert "100 - price" in (proof.copy / CODE).read_text()
        (proof.copy / CODE).write_text("")
        assert "does not apply" in proof.red(found).problem
    assert not proof.copy.exists()
