"""A layout of your own: `m1` and two more features. As a plugin, name it in your package's `pyproject.toml`:

    [project.entry-points."truebook.features"]
    mine = "my_features:LAYOUT"

Then set `TRUEBOOK_OBSERVATION__LAYOUT=mine` and run a model that was made for this layout (its hash is checked).
"""

from __future__ import annotations

from truebook.features.feature import feature, signal
from truebook.features.inputs import FeatureInputs
from truebook.features.layout import layout


@feature(low=-1.0, high=1.0, version=1)
def tick_direction(inputs: FeatureInputs) -> float:
    """Sign of the last move of the mid."""
    mids = inputs.history.mids_cc()
    return float((mids[-1] > mids[-2]) - (mids[-1] < mids[-2])) if len(mids) > 1 else 0.0


LAYOUT = layout("m1").extended("mine", [tick_direction, signal("poll", low=0.0, high=1.0)])

if __name__ == "__main__":
    print(f"layout {LAYOUT.name}: {len(LAYOUT)} features, hash {LAYOUT.hash}")
