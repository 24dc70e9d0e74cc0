"""Users' own layouts, found by the entry point group ``truebook.features``.

An entry point's name is the layout's name; its object is a ``Layout`` of that name, or an iterable of ``Feature``
from which the layout is made. Packages are imported only when one of their layouts is asked for. This module reads
installed packages' metadata: it is the folder's one door to the outside and no pure module imports it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from truebook.features.feature import Feature
from truebook.features.layout import SHIPPED_LAYOUTS, Layout, UnknownLayout, layout

GROUP = "truebook.features"


class BadPlugin(ValueError):
    """An installed entry point does not give what it promises."""


def find_layout(name: str, installed: Iterable[EntryPoint] | None = None) -> Layout:
    """Find a shipped layout or a user's; raises ``UnknownLayout`` or ``BadPlugin``, which names the entry point.

    ``installed`` replaces the machine's entry points (for tests). A shipped name can't be taken.
    """
    try:
        return layout(name)
    except UnknownLayout:
        points = list(entry_points(group=GROUP) if installed is None else installed)
    for point in points:
        if point.name == name:
            return _load(point)
    raise UnknownLayout(name, [*SHIPPED_LAYOUTS, *(point.name for point in points)])


def _load(point: EntryPoint) -> Layout:
    where = f"entry point {point.name!r} = {point.value!r} in group {GROUP!r}"
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise BadPlugin(f"{where} can't be loaded: {error}") from error
    if isinstance(found, Layout):
        if found.name != point.name:
            raise BadPlugin(f"{where} gives a layout of another name, {found.name!r}: give both the same name")
        return found
    features = tuple(found) if isinstance(found, Iterable) else ()
    if not features or not all(isinstance(each, Feature) for each in features):
        raise BadPlugin(f"{where} must give a Layout or a list of Feature, not {type(found).__name__}")
    return Layout(point.name, features)
