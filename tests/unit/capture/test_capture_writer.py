"""A recorder that dies loses the file that it was writing and no more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truebook.capture.facts import capture_facts
from truebook.capture.manifest import read_manifest
from truebook.capture.reader import CaptureError, read_capture
from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import Source
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus

FACTS = MarketFacts(
    ticker="KXA-1-B", event="KXA-1", series="KXA", status=MarketStatus.ACTIVE, open_us=1, close_us=2,
    price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC, fee_multiplier_ppm=500_000, exclusive=True, strike=3.5,
)  # fmt: skip


def writer(folder: Path, frames_per_file: int = 2) -> CaptureWriter:
    return CaptureWriter(
        folder, source=Source.DEMO, hosts=["a"], versions={"truebook": "0"}, frames_per_file=frames_per_file
    )


def test_whole_files_survive_a_recorder_that_does_not_end(tmp_path: Path) -> None:
    recording = writer(tmp_path / "c")
    for number in range(5):
        recording.add_frame(number, 0, "{}")
    manifest_is_true = {"frames-0001.jsonl.zst": 2, "frames-0002.jsonl.zst": 2}
    (part,) = (tmp_path / "c").glob("*.part")
    with pytest.raises(CaptureError, match=r"frames-0003\.jsonl\.zst\.part.*delete it"):
        read_capture(tmp_path / "c")
    part.unlink()
    manifest = read_manifest(tmp_path / "c")
    assert {name: entry.lines for name, entry in manifest.files.items()} == manifest_is_true
    assert manifest.complete is False
    assert len(list(read_capture(tmp_path / "c"))) == 4


def test_a_recording_tells_its_source_and_the_first_facts_of_its_markets(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as recording:
        recording.add_frame(1, 0, "{}")
        recording.add_markets([FACTS])
        recording.add_markets([msgspec.structs.replace(FACTS, close_us=FACTS.close_us - 1)])
    recording.close()
    manifest = read_manifest(tmp_path / "c")
    assert (manifest.source, manifest.hosts, manifest.complete) == (Source.DEMO, ("a",), True)
    assert capture_facts(tmp_path / "c") == (FACTS,)


def test_a_folder_with_anything_in_it_is_not_recorded_into(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(CaptureError, match="not empty"):
        writer(tmp_path)


def test_time_that_steps_back_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as recording:
        recording.add_frame(2, 0, "{}")
        with pytest.raises(ValueError, match="after one at 2"):
            recording.add_frame(1, 0, "{}")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=40)), min_size=1, max_size=12))
def test_any_text_whatever_is_given_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "c"
    with writer(folder, frames_per_file=5) as recording:
        for number, (connection, text) in enumerate(frames):
            recording.add_frame(number, connection, text)
    assert [(frame.connection, frame.text) for frame in read_capture(folder)] == frames
