"""The list of deliberate breakages."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Breakage:
    """One way to break a promise."""

    promise: str
    name: str
    path: str
    tests: list[str]  # arguments of pytest
    old: str
    new: str


def read_breakages() -> list[Breakage]:
    """Read breakages.toml."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return [Breakage(**each) for each in tomllib.load(file)["breakage"]]
