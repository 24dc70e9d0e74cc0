"""The known bugs still fit the code, the page tells of each, and what counts as a proof.

That the tests find the bugs is shown by ``make prove``, which takes a few minutes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bug_patches import MUST_BE_PATCHED, ROOT, BadHeader, BugPatch, apply, read_patch, read_patches
from proving import Ended, Proof, Seen, Verdict, judge_green, judge_red

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
def test_the_tests_that_a_patch_names_are_there(patch: BugPatch) -> None:
    for name in patch.red:
        file, *parts = name.partition("[")[0].split("::")
        texts = [path.read_text() for path in (ROOT / file, *(ROOT / "tests/support").glob("*_contract.py"))]
        assert all(any(re.search(rf"(def|class) {part}\b", text) for text in texts) for part in parts), name


def test_every_failure_that_could_live_here_has_a_patch() -> None:
    assert {f"F{number:02}" for number in MUST_BE_PATCHED} <= {patch.bug for patch in PATCHES}
    assert all(patch.name.partition("-")[0] == patch.bug for patch in PATCHES)


def test_the_page_tells_of_all_thirty_failures_and_of_every_patch() -> None:
    rows = dict(re.findall(r"^\| (F\d+) \|(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert list(rows) == [f"F{number}" for number in range(1, 31)]
    told = {name for row in rows.values() for name in re.findall(r"`(F\d\d(?:-[a-z-]+)?)`", row)}
    assert told == {patch.name for patch in PATCHES}
    for patch in PATCHES:
        assert f"`{patch.name}`" in rows[f"F{int(patch.bug[1:])}"], "a patch stands in the row of its failure"


def ended(outcome: str = "failed", raised: str = "AssertionError", when: str = "call", test: str = TEST) -> Ended:
    return Ended(test=test, when=when, outcome=outcome, raised=frozenset(raised.split()), says="1 == 2")


RAN = frozenset({CODE})


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (Seen(tests=[ended()], ran=RAN), ""),
        (Seen(tests=[ended(raised="Failed")], ran=RAN), ""),
        (Seen(tests=[ended("passed", ""), ended(test=f"{TEST}[2]")], ran=RAN), ""),
        (Seen(tests=[ended("passed", "")], ran=RAN), "nothing turned red"),
        (Seen(tests=[ended(raised="ImportError")], ran=RAN), "broke instead of failing"),
        (Seen(tests=[ended(raised="AssertionError NameError")], ran=RAN), "broke instead of failing"),
        (Seen(tests=[ended(when="setup")], ran=RAN), "broke instead of failing"),
        (Seen(tests=[ended()]), "the patched file was not run"),
        (Seen(tests=[ended()], ran=RAN, elsewhere=["/usr/lib/truebook/money.py"]), "other code than the copy's"),
        (Seen(broken=["tests/unit/money: SyntaxError"], ran=RAN), "can't be loaded"),
        (Seen(output="ERROR: not found: tests/unit/money"), "no test was run: ERROR: not found"),
        (Seen(), "no test was run"),
    ],
)
def test_only_a_failed_claim_in_patched_code_is_a_proof(seen: Seen, wrong: str) -> None:
    verdict = judge_red(PATCH, seen)
    assert wrong in verdict.wrong
    assert bool(verdict.wrong) == bool(wrong) != bool(verdict.found_by)


def test_another_error_counts_where_the_patch_announces_it() -> None:
    seen = Seen(tests=[ended(raised="FrameError")], ran=RAN)
    announced = BugPatch(**{**vars(PATCH), "raises": PATCH.raises | {"FrameError"}})
    assert judge_red(PATCH, seen).wrong
    assert judge_red(announced, seen) == Verdict(found_by=TEST, says="1 == 2")


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (Seen(tests=[ended("passed", "")]), ""),
        (Seen(tests=[ended("passed", "", test=f"{TEST}[case]")]), ""),
        (Seen(tests=[ended("passed", ""), ended(test="other")]), "fails without any patch"),
        (Seen(tests=[ended("skipped", "")]), "no test of that name passes"),
        (Seen(tests=[ended("passed", "", test=f"{TEST}_b")]), "no test of that name passes"),
        (Seen(), "no test was run"),
    ],
)
def test_the_ground_must_be_green_under_every_name(seen: Seen, wrong: str) -> None:
    answer = judge_green([TEST], seen)
    assert wrong in answer
    assert bool(answer) == bool(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Bug: F01\nThere: a\nHere: b\n\n--- a/x\n+++ b/x\n", "without Red"),
        ("Bug: F01\nTher: a\n\n+++ b/x\n", "not a line of a header"),
        ("Bug: F01\nThere: a\nHere: b\nRed: t\n\nnothing\n", "changes nothing"),
    ],
)
def test_a_header_that_can_not_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "F01.patch"
    path.write_text(text)
    with pytest.raises(BadHeader, match=message):
        read_patch(path)


def tree(root: Path, code: str, test: str) -> None:
    """A little tree like ours, with one module and one test."""
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
    (root / "tests/known_bugs/witness.py").write_text(Path(__file__).with_name("witness.py").read_text())


def test_a_bug_is_put_in_found_and_taken_out_again(tmp_path: Path) -> None:
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
        assert proof.red(harmless).wrong == "nothing turned red"
        assert "100 - price" in (proof.copy / CODE).read_text()
        (proof.copy / CODE).write_text("")
        assert "does not apply" in proof.red(found).wrong
    assert not proof.copy.exists()
