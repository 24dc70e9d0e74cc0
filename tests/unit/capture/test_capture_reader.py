"""A recording is read completely or not at all; each error names file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from truebook.capture.manifest import MANIFEST
from truebook.capture.reader import CapturedFrame, CaptureError, read_capture
from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import Source

SUBSCRIBED = '{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}'


def delta(ts_ms: int) -> str:
    return json.dumps({"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {"ts_ms": ts_ms}})


def bare(tmp_path: Path, content: str | bytes, name: str = "session.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def recorded(tmp_path: Path, frames: int = 3, **options: object) -> Path:
    folder = tmp_path / "capture"
    with CaptureWriter(folder, source=Source.DEMO, hosts=["demo-api.kalshi.co"], **options) as writer:  # type: ignore[arg-type]
        for number in range(frames):
            writer.add_frame(1_000 + number, number % 2, delta(number))
    return folder


def test_times_of_a_bare_file_never_step_back(tmp_path: Path) -> None:
    path = bare(tmp_path, f"{SUBSCRIBED}\n\n{delta(5)}\n\n{SUBSCRIBED}\n{delta(4)}\n{delta(7)}")
    assert [(frame.at_us, frame.text) for frame in read_capture(path)] == [
        (5_000, SUBSCRIBED), (5_000, delta(5)), (5_000, SUBSCRIBED), (5_000, delta(4)), (7_000, delta(7)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "at_us"),
    [
        ('{"type":"x","sending_ts_ms":3,"msg":{"ts_ms":2}}', 3_000),
        ('{"type":"x","msg":{"ts":2}}', 2_000_000),
        ('{"type":"x","msg":{"ts":"1970-01-01T00:00:01.5Z"}}', 1_500_000),
        ('{"type":"ok","sending_ts_ms":3,"msg":[]}', 3_000),
    ],
)
def test_every_kind_of_time_in_a_frame_is_found(tmp_path: Path, frame: str, at_us: int) -> None:
    assert [one.at_us for one in read_capture(bare(tmp_path, frame))] == [at_us]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'{delta(1)}\n{{"type":"orderbook_del', r"session\.jsonl, line 2: the last line is cut off"),
        (f'{delta(1)}\n\n{{"type":"orderb\n', r"session\.jsonl, line 3: not JSON"),
        (f'{{"type":\n{delta(1)}\n', r"session\.jsonl, line 1: not JSON"),
        ('{"method":"GET","url":"x"}\n', r"session\.jsonl, line 1: not a WebSocket frame"),
        (b"\xff\xfe\n", r"session\.jsonl, line 1: not UTF-8"),
        ('{"type":"x","msg":{"ts":"yesterday"}}\n', r"session\.jsonl, line 1: time: not an RFC 3339"),
        (f"{SUBSCRIBED}\n", r"session\.jsonl: no frame has a time"),
        ("\n\n", r"session\.jsonl: empty"),
        ("", r"session\.jsonl: empty"),
    ],
)
def test_an_invalid_bare_file_names_file_and_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        list(read_capture(bare(tmp_path, content)))


def test_a_path_without_a_recording_is_refused(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.jsonl", "no such recording"),
        (bare(tmp_path, "x", "session.txt"), "not a .jsonl file"),
        (tmp_path, r"manifest\.json: missing.*other recorded data .*`truebook data import`"),
    ):
        with pytest.raises(CaptureError, match=message):
            read_capture(path)


def test_the_side_car_file_has_the_yes_price_flag(tmp_path: Path) -> None:
    path = bare(tmp_path, delta(1))
    side_car = tmp_path / "session.meta.json"
    side_car.write_text('{"subscribe_cmd":{"params":{"use_yes_price":true}}}')
    assert [frame.use_yes_price for frame in read_capture(path)] == [True]
    side_car.write_text('{"environment":"demo"}')
    assert [frame.use_yes_price for frame in read_capture(path)] == [False]
    side_car.write_text("{")
    with pytest.raises(CaptureError, match=r"session\.meta\.json"):
        list(read_capture(path))


def test_a_folder_returns_the_recorded_frames(tmp_path: Path) -> None:
    folder = recorded(tmp_path, frames=5, frames_per_file=2, use_yes_price=True)
    assert list(read_capture(folder)) == [
        CapturedFrame(1_000 + number, number % 2, delta(number), True) for number in range(5)
    ]


def damage_bytes(folder: Path) -> None:
    path = folder / "frames-0001.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-4])


def drop_file(folder: Path) -> None:
    (folder / "frames-0001.jsonl.zst").unlink()


def add_unlisted(folder: Path) -> None:
    (folder / "frames-0009.jsonl.zst").write_bytes(b"")


def leave_part(folder: Path) -> None:
    (folder / "frames-0002.jsonl.zst.part").write_bytes(b"")


def rewrite(folder: Path, **change: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def newer_format(folder: Path) -> None:
    rewrite(folder, format=3)


def invalid_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def path_outside(folder: Path) -> None:
    rewrite(folder, files={"../frames-0001.jsonl.zst": {"sha256": "", "lines": 1}})


def wrong_count(folder: Path) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    files["frames-0001.jsonl.zst"]["lines"] = 9
    rewrite(folder, files=files)


def nothing_listed(folder: Path) -> None:
    (folder / "frames-0001.jsonl.zst").unlink()
    rewrite(folder, files={})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_bytes, r"frames-0001\.jsonl\.zst: changed since it was recorded"),
        (drop_file, r"frames-0001\.jsonl\.zst: listed in manifest\.json, but cannot be read"),
        (add_unlisted, r"frames-0009\.jsonl\.zst: not listed"),
        (leave_part, r"frames-0002\.jsonl\.zst\.part: the recording stopped within"),
        (newer_format, r"manifest\.json: capture format 3; this version reads up to 2"),
        (invalid_manifest, r"manifest\.json: not a manifest"),
        (path_outside, r"not a plain file name"),
        (wrong_count, r"3 lines, but the manifest lists 9"),
        (nothing_listed, r"nothing was recorded"),
    ],
)
def test_a_damaged_folder_is_refused_by_file(tmp_path: Path, damage: object, message: str) -> None:
    folder = recorded(tmp_path)
    damage(folder)  # type: ignore[operator]
    with pytest.raises(CaptureError, match=message):
        list(read_capture(folder))
