"""Reads the raw frames of recorded sessions: a folder of capture format 1, or a bare ``.jsonl`` of frames.

Nothing is skipped silently: the first invalid line raises a ``CaptureError`` with file and line. Only empty lines are
skipped, since the exchange ends its frames with a newline.

A bare file has no times of receipt: the exchange's own times in the frames are used instead. They never step back; a
frame without one gets the time of the frame before it, and frames before the first time get that one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from truebook.capture.manifest import (
    FORMAT,
    FRAMES_PATTERN,
    CaptureError,
    FrameLine,
    Manifest,
    checked_file,
    read_manifest,
)
from truebook.decoding import UNREADABLE
from truebook.kalshi.wire import times
from truebook.money import WireFormatError

__all__ = ["CaptureError", "CapturedFrame", "read_capture"]

_FRAMES_NAME: Final = re.compile(r"frames-\d{4,}\.jsonl\.zst")
_MAX_UNTIMED: Final = 10_000


class CapturedFrame(msgspec.Struct, frozen=True):
    """One recorded frame: exchange time of receipt, connection number, raw text.

    ``use_yes_price`` is the flag of the recorded subscription: pass it to ``frames.decode_frame``.
    """

    at_us: int
    connection: int
    text: str
    use_yes_price: bool = False


def read_capture(path: Path) -> Iterator[CapturedFrame]:
    """Iterate over a recording's frames in order; raises ``CaptureError`` at once or while reading."""
    if path.is_dir():
        return _read_folder(path, read_manifest(path))
    if not path.is_file():
        raise CaptureError(f"{path}: no such recording; give a folder with a manifest.json or a .jsonl of frames")
    if path.suffix != ".jsonl":
        raise CaptureError(f"{path}: not a .jsonl file; a compressed recording is read as a folder with its manifest")
    return _read_bare(path)


def _read_folder(folder: Path, manifest: Manifest) -> Iterator[CapturedFrame]:
    if manifest.format != FORMAT:
        raise CaptureError(f"{folder}: capture format {manifest.format} has no raw frames; read its events instead")
    names = sorted(name for name in manifest.files if _FRAMES_NAME.fullmatch(name))
    if not any(manifest.files[name].lines for name in names):
        raise CaptureError(f"{folder}: the manifest lists no frames ({FRAMES_PATTERN}); nothing was recorded")
    decode = msgspec.json.Decoder(FrameLine).decode
    last_us = 0
    for name in names:
        entry = manifest.files[name]
        path = checked_file(folder, name, entry)
        count = 0
        for count, line in _compressed_lines(path):
            try:
                decoded = decode(line)
            except UNREADABLE as error:
                raise CaptureError(f"{path}, line {count}: not a recorded frame: {error}; record again") from error
            if decoded.received_us < last_us:
                raise CaptureError(f"{path}, line {count}: received before the previous line; record again")
            last_us = decoded.received_us
            yield CapturedFrame(decoded.received_us, decoded.connection, decoded.frame, manifest.use_yes_price)
        if count != entry.lines:
            raise CaptureError(f"{path}: {count} lines, but the manifest lists {entry.lines}; restore the file")


def _compressed_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as plain:
        try:
            yield from enumerate(io.BufferedReader(plain), 1)
        except zstandard.ZstdError as error:
            raise CaptureError(f"{path}: damaged: {error}; restore the file") from error


def _read_bare(path: Path) -> Iterator[CapturedFrame]:
    use_yes_price = _recorded_yes_price(path)
    at_us: int | None = None
    untimed: list[str] = []
    for number, text in _bare_lines(path):
        frame_us = _time_of(path, number, text)
        if at_us is None and frame_us is None:
            untimed.append(text)
            if len(untimed) > _MAX_UNTIMED:
                break
            continue
        at_us = frame_us if at_us is None else max(at_us, frame_us or at_us)
        for early in untimed:
            yield CapturedFrame(at_us or 0, 0, early, use_yes_price)
        untimed.clear()
        yield CapturedFrame(at_us or 0, 0, text, use_yes_price)
    if untimed:
        raise CaptureError(f"{path}: no frame has a time (ts_ms, ts, sending_ts_ms); it cannot be replayed")
    if at_us is None:
        raise CaptureError(f"{path}: empty; nothing was recorded")


def _bare_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                text = line.decode().rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise CaptureError(f"{path}, line {number}: not UTF-8; remove or restore the line") from error
            if not line.endswith(b"\n") and not _is_json(text):
                raise CaptureError(f"{path}, line {number}: the last line is cut off; remove it or record again")
            yield number, text


class _Timed(msgspec.Struct):
    type: str
    sending_ts_ms: int | None = None
    msg: Any = None


_decode_timed = msgspec.json.Decoder(_Timed).decode


def _time_of(path: Path, number: int, text: str) -> int | None:
    """Return a frame's own time: when the exchange sent it, else when its event happened."""
    try:
        frame = _decode_timed(text)
    except msgspec.ValidationError as error:
        raise CaptureError(
            f"{path}, line {number}: not a WebSocket frame ({error}); a bare recording holds one raw frame a line"
        ) from error
    except UNREADABLE as error:
        raise CaptureError(f"{path}, line {number}: not JSON ({error}); remove or restore the line") from error
    if frame.sending_ts_ms is not None:
        return times.from_unix_ms(frame.sending_ts_ms)
    if not isinstance(frame.msg, dict):
        return None
    milliseconds, stamp = frame.msg.get("ts_ms"), frame.msg.get("ts")
    if isinstance(milliseconds, int):
        return times.from_unix_ms(milliseconds)
    if isinstance(stamp, int):
        return times.from_unix_s(stamp)
    try:
        return times.from_rfc3339(stamp) if stamp is not None else None
    except WireFormatError as error:
        raise CaptureError(f"{path}, line {number}: {error}; remove or restore the line") from error


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except UNREADABLE:
        return False
    return True


class _SubscribeParameters(msgspec.Struct):
    use_yes_price: bool = False


class _SubscribeCommand(msgspec.Struct):
    params: _SubscribeParameters = msgspec.field(default_factory=_SubscribeParameters)


class _SideCar(msgspec.Struct):
    subscribe_cmd: _SubscribeCommand = msgspec.field(default_factory=_SubscribeCommand)


def _recorded_yes_price(path: Path) -> bool:
    """Read the recorded subscribe command beside a bare file (``NAME.meta.json``), if any."""
    side_car = path.with_suffix(".meta.json")
    if not side_car.is_file():
        return False
    try:
        return msgspec.json.decode(side_car.read_bytes(), type=_SideCar).subscribe_cmd.params.use_yes_price
    except UNREADABLE as error:
        raise CaptureError(
            f"{side_car}: invalid subscribe command of {path.name}: {error}; remove or restore it"
        ) from error
