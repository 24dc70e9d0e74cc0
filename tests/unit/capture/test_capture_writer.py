"""A recorder that crashes loses only the file in progress."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truebook.capture.manifest import read_manifest
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.reader import CaptureError, read_capture
from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus

METADATA = MarketMetadata(
    ticker="KXA-1-B", event="KXA-1", series="KXA", status=MarketStatus.ACTIVE, open_us=1, close_us=2,
    price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC, fee_multiplier_ppm=500_000, exclusive=True, strike=3.5,
)  # fmt: skip


def writer(folder: Path, frames_per_file: int = 2) -> CaptureWriter:
    return CaptureWriter(
        folder, source=Source.DEMO, hosts=["a"], versions={"truebook": "0"}, frames_per_file=frames_per_file
    )


def test_complete_files_survive_a_crash_of_the_recorder(tmp_path: Path) -> None:
    recording = writer(tmp_path / "c")
    for number in range(5):
        recording.add_frame(number, 0, "{}")
    complete_files = {"frames-0001.jsonl.zst": 2, "frames-0002.jsonl.zst": 2}
    (part,) = (tmp_path / "c").glob("*.part")
    with pytest.raises(CaptureError, match=r"frames-0003\.jsonl\.zst\.part.*delete it"):
        read_capture(tmp_path / "c")
    part.unlink()
    manifest = read_manifest(tmp_path / "c")
    assert {name: entry.lines for name, entry in manifest.files.items()} == complete_files
    assert manifest.complete is False
    assert len(list(read_capture(tmp_path / "c"))) == 4


def test_a_recording_has_its_source_and_first_metadata(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as recording:
        recording.add_frame(1, 0, "{}")
        recording.add_markets([METADATA])
        recording.add_markets([msgspec.structs.replace(METADATA, close_us=METADATA.close_us - 1)])
    recording.close()
    manifest = read_manifest(tmp_path / "c")
    assert (manifest.source, manifest.hosts, manifest.complete) == (Source.DEMO, ("a",), True)
    assert capture_metadata(tmp_path / "c") == (METADATA,)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(CaptureError, match="not empty"):
        writer(tmp_path)


def test_a_time_that_steps_back_raises(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as recording:
        recording.add_frame(2, 0, "{}")
        with pytest.raises(ValueError, match="after one at 2 us"):
            recording.add_frame(1, 0, "{}")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=40)), min_size=1, max_size=12))
def test_any_text_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "c"
    with writer(folder, frames_per_file=5) as recording:
        for number, (connection, text) in enumerate(frames):
            recording.add_frame(number, connection, text)
    assert [(frame.connection, frame.text) for frame in read_capture(folder)] == frames
