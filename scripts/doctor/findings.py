"""What one check has found, and what the operator can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a checkout and its stage can work with what was found."""

    OK = "ok"
    NOTE = "note"  # something optional is missing
    WRONG = "wrong"  # commands fail until it is mended


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str  # such as "port"
    state: State
    text: str
    remedy: str = ""  # what the operator can do
