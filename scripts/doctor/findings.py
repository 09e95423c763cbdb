"""The finding of a check, and what the operator can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a checkout and its stage can work despite the finding."""

    OK = "ok"
    NOTE = "note"  # something optional is missing
    WRONG = "wrong"  # commands fail until this is corrected


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str  # such as "port"
    state: State
    text: str
    remedy: str = ""  # what the operator can do
