"""A folder of models, one of which is active.

    FOLDER/NAME.onnx               the user's models; bundled ones are beside this module and keep their names
    FOLDER/active.json             the active model and the earlier ones, replaced atomically
    FOLDER/versions/SHA256.onnx    a copy of each activated file: a roll-back does not depend on NAME.onnx, which may
                                   have been trained again since

A model is loaded and checked before it is made active, so an unusable file never becomes active.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from cachetools import FIFOCache

from truebook.features.layout import Layout
from truebook.features.plugins import find_layout
from truebook.files import is_full_disk, write_atomically
from truebook.models.errors import ModelRefused, RegistryReadOnly
from truebook.models.session import Model, parse_model, read_file

BUNDLED: Final = Path(__file__).parent / "bundled"
DEFAULT_NAME: Final = "maker"
_MAX_EARLIER: Final = 10
"""The number of earlier models that can be rolled back to."""
_MODE: Final = 0o666
"""Less the umask: the policy may run as another user than the one who activates a model."""


class ModelVersion(msgspec.Struct, frozen=True):
    """A model's name and the digest of its bytes."""

    name: str
    sha256: str


class Pointer(msgspec.Struct, frozen=True):
    """The active model; ``before`` are the earlier ones, newest first."""

    active: ModelVersion
    before: tuple[ModelVersion, ...] = ()


class ModelRegistry:
    """The models of one folder. Loaded models are cached by the digest of their bytes."""

    def __init__(
        self,
        folder: Path,
        *,
        default: str = DEFAULT_NAME,
        bundled: Path = BUNDLED,
        layouts: Callable[[str], Layout] = find_layout,
        trades_on: Layout | None = None,
    ) -> None:
        """``trades_on`` is the layout of the observations: models of another one are refused; None accepts any."""
        self._folder = folder
        self._default = default
        self._bundled = bundled
        self._layouts = layouts
        self._trades_on = trades_on
        self._cache: FIFOCache[str, Model] = FIFOCache(_MAX_EARLIER + 1)

    def names(self) -> tuple[str, ...]:
        """Return the names of all models, bundled and own, sorted."""
        return tuple(sorted({path.stem for folder in (self._bundled, self._folder) for path in folder.glob("*.onnx")}))

    def path(self, name: str) -> Path:
        """Return the path of a model; raises ``ModelRefused``. Bundled models take precedence."""
        for folder in (self._bundled, self._folder):
            candidate = folder / f"{name}.onnx"
            if candidate.parent == folder and candidate.is_file():
                return candidate
        known = ", ".join(self.names())
        raise ModelRefused(name, [f"no such model; available: {known}. Put NAME.onnx into {self._folder}"])

    def load(self, name: str) -> Model:
        """Load a model from its current file; raises ``ModelRefused``."""
        path = self.path(name)
        return self.load_content(read_file(path), str(path), name)

    def load_file(self, path: Path) -> Model:
        """Load a file outside the folder; raises ``ModelRefused``."""
        return self.load_content(read_file(path), str(path), path.stem)

    def load_content(self, content: bytes, file: str, name: str) -> Model:
        """Load a model's bytes; ``file`` names their source in errors. Raises ``ModelRefused``."""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._cache:
            model = parse_model(content, file, stem=name, layouts=self._layouts)
            self._refuse_other_layout(model, file)
            self._cache[sha256] = model
        return self._cache[sha256]

    def add(self, path: Path) -> str:
        """Check a file and copy it into the folder; returns its name, which is the file's stem.

        Raises as ``add_content`` does.
        """
        self.add_content(read_file(path), str(path), path.stem)
        return path.stem

    def add_content(self, content: bytes, file: str, name: str) -> None:
        """Check a model's bytes and store them under this name.

        Raises ``RegistryReadOnly``, and ``ModelRefused``, also if a different bundled model has that name: the copy
        would never be used.
        """
        if Path(name).name != name:
            raise ModelRefused(file, [f"{name!r} can't be a model's name: it must be a file's name"])
        self.load_content(content, file, name)
        bundled = self._bundled / f"{name}.onnx"
        if bundled.is_file():
            if bundled.read_bytes() != content:
                raise ModelRefused(file, [f"a bundled model is named {name!r}: give the file another name"])
            return
        _write(self._folder / f"{name}.onnx", content)

    def active(self) -> Model:
        """Load the active model as it was activated, or the default if none was; raises ``ModelRefused``.

        Without a change it reads only one small file.
        """
        pointer = self.pointer()
        if pointer is None:
            return self.load(self._default)
        cached = self._cache.get(pointer.active.sha256)
        return cached if cached is not None else self._load_version(pointer.active)

    def active_name(self) -> str:
        """Return the active model's name; raises ``ModelRefused`` if the pointer is damaged."""
        pointer = self.pointer()
        return self._default if pointer is None else pointer.active.name

    def pointer(self) -> Pointer | None:
        """Read which model is active, None if none ever was; raises ``ModelRefused`` if the file is damaged."""
        try:
            raw = self._pointer_path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ModelRefused(str(self._pointer_path), [f"the pointer can't be read: {error.strerror}"]) from error
        try:
            return msgspec.json.decode(raw, type=Pointer)
        except msgspec.DecodeError as error:
            hint = "remove it to return to the default model"
            raise ModelRefused(str(self._pointer_path), [f"the pointer is damaged ({error}): {hint}"]) from error

    def activate(self, name: str) -> Model:
        """Check a model, copy its bytes, make it active; raises ``ModelRefused`` and then changes nothing.

        Raises ``RegistryReadOnly`` too, as ``roll_back`` does.
        """
        path = self.path(name)
        content = read_file(path)
        model = self.load_content(content, str(path), name)
        version = ModelVersion(name, model.metadata.sha256)
        pointer = self.pointer()
        if pointer is not None and pointer.active == version:
            return model
        self._copy(version, content)
        before = self._copy_default() if pointer is None else (pointer.active, *pointer.before)
        self._set_pointer(Pointer(version, before[:_MAX_EARLIER]))
        return model

    def roll_back(self) -> Model:
        """Make the previous model active again; raises ``ModelRefused`` if there is none."""
        pointer = self.pointer()
        if pointer is None or not pointer.before:
            raise ModelRefused(str(self._folder), ["there is no earlier model to roll back to"])
        model = self._load_version(pointer.before[0])
        self._set_pointer(Pointer(pointer.before[0], pointer.before[1:]))
        return model

    @property
    def _pointer_path(self) -> Path:
        return self._folder / "active.json"

    def _version_path(self, version: ModelVersion) -> Path:
        return self._folder / "versions" / f"{version.sha256}.onnx"

    def _copy_default(self) -> tuple[ModelVersion, ...]:
        """Copy the default model, which was active until now, so that the first switch can be rolled back too."""
        path = self.path(self._default)
        content = read_file(path)
        version = ModelVersion(self._default, hashlib.sha256(content).hexdigest())
        self._copy(version, content)
        return (version,)

    def _refuse_other_layout(self, model: Model, file: str) -> None:
        """A model that is never given a vector of its own layout would decide nothing, without an error."""
        if self._trades_on is not None and model.layout.hash != self._trades_on.hash:
            what = f"it was made for layout {model.layout.name}, but the observations have {self._trades_on.name}"
            raise ModelRefused(file, [f"{what}: set TRUEBOOK_OBSERVATION__LAYOUT={model.layout.name}"])

    def _load_version(self, version: ModelVersion) -> Model:
        path = self._version_path(version)
        content = read_file(path)
        if hashlib.sha256(content).hexdigest() != version.sha256:
            raise ModelRefused(str(path), ["its bytes differ from the activated ones: activate the model again"])
        return self.load_content(content, str(path), version.name)

    def _copy(self, version: ModelVersion, content: bytes) -> None:
        path = self._version_path(version)
        if not path.exists():
            _write(path, content)

    def _set_pointer(self, pointer: Pointer) -> None:
        _write(self._pointer_path, msgspec.json.encode(pointer))
        needed = {version.sha256 for version in (pointer.active, *pointer.before)}
        for path in (self._folder / "versions").glob("*.onnx"):
            if path.stem not in needed:
                path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Replace a file; raises ``RegistryReadOnly`` if it can't be written, and OSError if the disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, mode=_MODE, concurrent=True)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise RegistryReadOnly(path, error) from error
