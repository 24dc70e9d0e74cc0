"""Writes ``docs/asyncapi.yaml`` from the code: ``make asyncapi``. A test compares the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from truebook.messages.asyncapi import document

PAGE = Path(__file__).parents[1] / "docs/asyncapi.yaml"
HEAD = "# Made by `make asyncapi` from libs/truebook/messages: change those, not this.\n"


class _Dumper(yaml.SafeDumper):
    """Writes what is said twice twice, instead of naming it once."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def page() -> str:
    """The document as YAML."""
    return HEAD + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
