"""A folder of models, and which of them is active.

    FOLDER/NAME.onnx               the user's models; shipped ones lie beside this module and keep their names
    FOLDER/active.json             the active model and those before it, replaced atomically
    FOLDER/versions/SHA256.onnx    what was activated, byte for byte: a roll-back does not depend on NAME.onnx, which
                                   may have been trained anew since

A switch loads and checks the model before the pointer moves, so an unusable file never becomes active.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from truebook.features.layout import Layout
from truebook.features.plugins import find_layout
from truebook.models.errors import ModelRefused
from truebook.models.session import Model, model_of_bytes, read_file

SHIPPED: Final = Path(__file__).parent / "shipped"
DEFAULT_NAME: Final = "maker"
_KEPT: Final = 10
"""How many earlier models a roll-back can go through."""


class Version(msgspec.Struct, frozen=True):
    """A model under its name, as exactly these bytes."""

    name: str
    sha256: str


class Pointer(msgspec.Struct, frozen=True):
    """The active model; ``before`` are the earlier ones, newest first."""

    active: Version
    before: tuple[Version, ...] = ()


class ModelRegistry:
    """The models of one folder. Loaded models are kept by the hash of their bytes: loading the same again is free."""

    def __init__(
        self,
        folder: Path,
        *,
        default: str = DEFAULT_NAME,
        shipped: Path = SHIPPED,
        layouts: Callable[[str], Layout] = find_layout,
    ) -> None:
        self._folder = folder
        self._default = default
        self._shipped = shipped
        self._layouts = layouts
        self._cache: dict[str, Model] = {}

    def names(self) -> tuple[str, ...]:
        """All names that ``load`` knows, shipped and own, sorted."""
        return tuple(sorted({path.stem for folder in (self._shipped, self._folder) for path in folder.glob("*.onnx")}))

    def path(self, name: str) -> Path:
        """Where the model of that name lies; raises ``ModelRefused``. A shipped name can't be taken by another file."""
        for folder in (self._shipped, self._folder):
            candidate = folder / f"{name}.onnx"
            if candidate.parent == folder and candidate.is_file():
                return candidate
        known = ", ".join(self.names())
        raise ModelRefused(name, [f"no such model; known are {known}. Put NAME.onnx into {self._folder}"])

    def load(self, name: str) -> Model:
        """Load the model of that name as its file is now; raises ``ModelRefused``."""
        path = self.path(name)
        return self._load_bytes(read_file(path), str(path), name)

    def load_file(self, path: Path) -> Model:
        """Load a file from anywhere; raises ``ModelRefused``."""
        return self._load_bytes(read_file(path), str(path), path.stem)

    def add(self, path: Path) -> str:
        """Check a file from anywhere and copy it into the folder; answers its name, the file's without its suffix.

        Raises ``ModelRefused``, also where a shipped model has that name and is another: the copy would never be used.
        """
        content = read_file(path)
        self._load_bytes(content, str(path), path.stem)
        shipped = self._shipped / f"{path.stem}.onnx"
        if shipped.is_file():
            if shipped.read_bytes() != content:
                raise ModelRefused(str(path), [f"a shipped model is called {path.stem!r}: give the file another name"])
            return path.stem
        self._folder.mkdir(parents=True, exist_ok=True)
        _write_atomically(self._folder / f"{path.stem}.onnx", content)
        return path.stem

    def active(self) -> Model:
        """Load the active model: as it was when activated, or the default while none was; raises ``ModelRefused``.

        Cheap where nothing has changed (one small file is read), so that a policy may ask before every batch.
        """
        pointer = self.pointer()
        if pointer is None:
            return self.load(self._default)
        cached = self._cache.get(pointer.active.sha256)
        return cached if cached is not None else self._load_version(pointer.active)

    def pointer(self) -> Pointer | None:
        """Read which model is active, null while none was ever activated; raises ``ModelRefused`` if it is damaged."""
        try:
            raw = self._pointer_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(raw, type=Pointer)
        except msgspec.DecodeError as error:
            hint = "remove it to go back to the default model"
            raise ModelRefused(str(self._pointer_path), [f"the pointer is damaged ({error}): {hint}"]) from error

    def activate(self, name: str) -> Model:
        """Check the model, keep its bytes, make it the active one; raises ``ModelRefused`` and then changes nothing."""
        path = self.path(name)
        content = read_file(path)
        model = self._load_bytes(content, str(path), name)
        version = Version(name, model.metadata.sha256)
        pointer = self.pointer()
        if pointer is not None and pointer.active == version:
            return model
        self._keep(version, content)
        before = self._before_first() if pointer is None else (pointer.active, *pointer.before)
        self._point(Pointer(version, before[:_KEPT]))
        return model

    def roll_back(self) -> Model:
        """Make the model before the active one active again; raises ``ModelRefused`` where there is none."""
        pointer = self.pointer()
        if pointer is None or not pointer.before:
            raise ModelRefused(str(self._folder), ["there is no earlier model to go back to"])
        model = self._load_version(pointer.before[0])
        self._point(Pointer(pointer.before[0], pointer.before[1:]))
        return model

    @property
    def _pointer_path(self) -> Path:
        return self._folder / "active.json"

    def _version_path(self, version: Version) -> Path:
        return self._folder / "versions" / f"{version.sha256}.onnx"

    def _before_first(self) -> tuple[Version, ...]:
        """The default model was active until now: keep it, so that the first switch can be rolled back too."""
        path = self.path(self._default)
        content = read_file(path)
        version = Version(self._default, hashlib.sha256(content).hexdigest())
        self._keep(version, content)
        return (version,)

    def _load_bytes(self, content: bytes, file: str, name: str) -> Model:
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._cache:
            if len(self._cache) > _KEPT:
                self._cache.pop(next(iter(self._cache)))
            self._cache[sha256] = model_of_bytes(content, file, stem=name, layouts=self._layouts)
        return self._cache[sha256]

    def _load_version(self, version: Version) -> Model:
        path = self._version_path(version)
        content = read_file(path)
        if hashlib.sha256(content).hexdigest() != version.sha256:
            raise ModelRefused(str(path), ["its bytes are not those that were activated: activate the model anew"])
        return self._load_bytes(content, str(path), version.name)

    def _keep(self, version: Version, content: bytes) -> None:
        path = self._version_path(version)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(path, content)

    def _point(self, pointer: Pointer) -> None:
        _write_atomically(self._pointer_path, msgspec.json.encode(pointer))
        needed = {version.sha256 for version in (pointer.active, *pointer.before)}
        for path in (self._folder / "versions").glob("*.onnx"):
            if path.stem not in needed:
                path.unlink(missing_ok=True)


def _write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a reader sees the old bytes or the new ones, also after a power cut."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
