"""Layouts of installed packages, found by the entry point group ``truebook.features``.

An entry point's name is the layout's name; its object is a ``Layout`` of that name or an iterable of ``Feature``. A
package is imported only when one of its layouts is requested. No pure module may import this one: it reads installed
packages' metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from truebook.features.feature import Feature
from truebook.features.layout import BUNDLED_LAYOUTS, Layout, UnknownLayout, layout

GROUP = "truebook.features"


class BadPlugin(ValueError):
    """An installed entry point is not a layout."""


def find_layout(name: str, installed: Iterable[EntryPoint] | None = None) -> Layout:
    """Return a bundled or an installed layout; raises ``UnknownLayout`` or ``BadPlugin``, which names the entry point.

    ``installed`` replaces the machine's entry points in tests. Bundled layouts take precedence.
    """
    try:
        return layout(name)
    except UnknownLayout:
        points = list(entry_points(group=GROUP) if installed is None else installed)
    for point in points:
        if point.name == name:
            return _load(point)
    raise UnknownLayout(name, [*BUNDLED_LAYOUTS, *(point.name for point in points)])


def _load(point: EntryPoint) -> Layout:
    where = f"entry point {point.name!r} = {point.value!r} in group {GROUP!r}"
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise BadPlugin(f"{where} cannot be loaded: {error}") from error
    if isinstance(found, Layout):
        if found.name != point.name:
            raise BadPlugin(f"{where} is a layout named {found.name!r}: give both the same name")
        return found
    features = tuple(found) if isinstance(found, Iterable) else ()
    if not features or not all(isinstance(each, Feature) for each in features):
        raise BadPlugin(f"{where} must be a Layout or a list of Feature, not {type(found).__name__}")
    return Layout(point.name, features)
