"""The file of a backtest's result: what is written is read back, and anything else is refused with its path."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from truebook.backtest.errors import UnreadableResult
from truebook.backtest.result import (
    FORMAT,
    RESULT,
    AccountResult,
    BacktestResult,
    BacktestSettings,
    DataInfo,
    EquityPoint,
    ModelInfo,
    PassResult,
    read_result,
    write_result,
)
from truebook.decision.strategy import Output
from truebook.simulation.recorded.queue import QueueModel


def a_result() -> BacktestResult:
    account = AccountResult(
        deposits_micros=5, cash_micros=5, reserved_micros=0, position_cost_micros=0, realized_micros=0,
        unrealized_micros=0, fees_micros=0, equity_micros=5,
    )  # fmt: skip
    point = EquityPoint(
        at_us=7, equity_micros=None, cash_micros=5, reserved_micros=0, exposure_micros=0, fees_micros=0
    )  # fmt: skip
    one = PassResult(
        queue=QueueModel.REALISTIC, account=account, equity=(point,), orders=(), fills=(), markets=(), refusals={},
        outcomes={}, observations=0, decisions=0, targets=0,
    )  # fmt: skip
    return BacktestResult(
        data=DataInfo(name="day", sha256="00", from_us=1, to_us=9, reached_us=9, markets=("A",), events=3),
        model=ModelInfo(name="m", sha256="11", layout="m1", layout_hash="22", output=Output.ACTION_LOGITS),
        settings=BacktestSettings(
            seed=1, balance_micros=5, order_latency_us=0, cancel_latency_us=0, jitter_us=0, throttle_us=0,
            order_lifetime_us=0,
        ),
        passes=(one,),
    )  # fmt: skip


def test_written_result_is_read_back_from_file_and_folder(tmp_path: Path) -> None:
    result = a_result()
    path = write_result(tmp_path / "report", result)
    assert read_result(path) == read_result(path.parent) == result
    assert result.of(QueueModel.REALISTIC) is result.passes[0]
    assert result.of(QueueModel.OPTIMISTIC) is None


def test_missing_result_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableResult, match="truebook backtest"):
        read_result(tmp_path)


def test_result_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULT).write_bytes(msgspec.json.encode(msgspec.structs.replace(a_result(), format=FORMAT + 1)))
    with pytest.raises(UnreadableResult, match=f"format {FORMAT + 1} is not {FORMAT}"):
        read_result(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}'])
def test_other_content_is_no_result(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESULT).write_bytes(content)
    with pytest.raises(UnreadableResult, match="no result"):
        read_result(tmp_path)
