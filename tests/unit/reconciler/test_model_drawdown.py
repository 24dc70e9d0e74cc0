"""A drawdown since the activation of a model rolls it back; an unknown value does not."""

from __future__ import annotations

from pathlib import Path

from support.onnx_files import onnx_bytes
from support.services import make_context
from truebook.clock import ManualClock
from truebook.models.pointer import Pointer, PointerFile
from truebook.models.registry import ModelRegistry
from truebook_services.reconciler.model_drawdown import ModelDrawdown

DOLLAR = 1_000_000
ACCOUNT = "sim-main"
OPENED_US = 3
"""The opening of the account's ledger."""


def activated(folder: Path) -> PointerFile:
    (folder / "mine.onnx").write_bytes(onnx_bytes())
    registry = ModelRegistry(folder, clock=ManualClock(5))
    registry.activate("mine")
    return registry.files


def watch(
    files: PointerFile, max_drawdown_micros: int | None = 3 * DOLLAR, account: str = ACCOUNT
) -> ModelDrawdown:  # fmt: skip
    return ModelDrawdown(make_context("reconciler", clock=ManualClock(), account=account), files, max_drawdown_micros)


def pointer_of(files: PointerFile) -> Pointer:
    pointer = files.read()
    assert pointer is not None
    return pointer


def test_a_fall_beyond_the_limit_rolls_back(tmp_path: Path) -> None:
    files = activated(tmp_path)
    drawdown = watch(files)
    for profit in (-10, -8, -11):
        drawdown.valued(profit * DOLLAR, OPENED_US)
        assert pointer_of(files).active.name == "mine", "losses of earlier models do not count"
    drawdown.valued(-11 * DOLLAR - 1, OPENED_US)
    pointer = pointer_of(files)
    assert pointer.active.name == "maker"
    assert pointer.rolled_back is not None
    assert (pointer.rolled_back.by, pointer.rolled_back.breach.kind) == ("reconciler", "drawdown")


def test_the_model_after_a_roll_back_starts_at_its_own_peak(tmp_path: Path) -> None:
    files = activated(tmp_path)
    drawdown = watch(files)
    for profit in (0, -4, -4, -6):
        drawdown.valued(profit * DOLLAR, OPENED_US)
    assert pointer_of(files).stopped is None
    drawdown.valued(-8 * DOLLAR, OPENED_US)
    assert pointer_of(files).stopped is not None, "there is no model before the default one"


def test_the_peak_survives_a_restart(tmp_path: Path) -> None:
    files = activated(tmp_path)
    watch(files).valued(10 * DOLLAR, OPENED_US)
    watch(files).valued(6 * DOLLAR, OPENED_US)
    assert pointer_of(files).active.name == "maker"


def test_another_ledger_or_account_starts_at_its_own_peak(tmp_path: Path) -> None:
    files = activated(tmp_path)
    watch(files).valued(10 * DOLLAR, OPENED_US)
    watch(files).valued(0, OPENED_US + 1)
    watch(files, account="other").valued(0, OPENED_US)
    assert pointer_of(files).active.name == "mine", "the account was opened again, or is another one"
    watch(files).valued(-4 * DOLLAR, OPENED_US + 1)
    assert pointer_of(files).active.name == "maker"


def test_an_unknown_profit_rolls_nothing_back(tmp_path: Path) -> None:
    files = activated(tmp_path)
    drawdown = watch(files)
    for profit_micros in (0, None, None):
        drawdown.valued(profit_micros, OPENED_US)
    assert pointer_of(files).active.name == "mine"
    state = files.read_drawdown(ACCOUNT)
    assert state is not None
    assert state.unvalued_since_us is not None


def test_without_a_limit_nothing_is_written(tmp_path: Path) -> None:
    files = activated(tmp_path)
    drawdown = watch(files, None)
    assert not drawdown.is_on
    drawdown.valued(-(10**12), OPENED_US)
    assert pointer_of(files).active.name == "mine"
    assert files.read_drawdown(ACCOUNT) is None


def test_a_breach_is_acted_on_where_the_state_cannot_be_kept(tmp_path: Path) -> None:
    files = activated(tmp_path)
    (tmp_path / f"drawdown-{ACCOUNT}.json").mkdir()
    drawdown = watch(files)
    drawdown.valued(0, OPENED_US)
    drawdown.valued(-4 * DOLLAR, OPENED_US)
    assert pointer_of(files).active.name == "maker"


def test_a_damaged_pointer_does_not_end_the_loss_watch(tmp_path: Path) -> None:
    files = activated(tmp_path)
    (tmp_path / "active.json").write_text("{")
    watch(files).valued(0, OPENED_US)
