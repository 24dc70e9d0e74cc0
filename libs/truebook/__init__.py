"""The library of Truebook: everything that is not a process.

Public, and imported on first use:

``truebook.money``      integers with units: prices, sizes, micro-dollars, and their texts
``truebook.book``       order books: levels, sequence numbers, a reader's replica
``truebook.features``   layouts: a model's input as named pure functions
``truebook.models``     ONNX models with their metadata, the registry, sessions

Other packages are internal to Truebook's services and may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truebook import book, features, models, money

    __version__: str

__all__ = ["__version__", "book", "features", "models", "money"]


def __getattr__(name: str) -> Any:
    """Import a public package, or read the version, at its first use: ``import truebook`` itself loads nothing."""
    if name == "__version__":
        return import_module("importlib.metadata").version("truebook")
    if name in __all__:
        return import_module(f"truebook.{name}")
    raise AttributeError(f"module 'truebook' has no attribute {name!r}")
