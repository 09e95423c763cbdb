"""The parts of a pattern, and the error of a refused pattern."""

from __future__ import annotations

from dataclasses import dataclass

from infra.collections.schema.patterns.char_sets import Ranges


class PatternError(Exception):
    """The pattern is refused; the message is a clause that says why, and what to write instead."""


@dataclass(frozen=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence:
    """All parts, one after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Choice:
    """One of the parts."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Repeat:
    """The body, from `least` to `most` times, or without a limit if `most` is None."""

    body: Part
    least: int
    most: int | None


@dataclass(frozen=True)
class Start:
    """The start of the text."""


@dataclass(frozen=True)
class End:
    """The end of the text."""


Part = Chars | Sequence | Choice | Repeat | Start | End


def is_nullable(part: Part) -> bool:
    """Return whether the part can match without a character."""
    match part:
        case Chars():
            return False
        case Sequence(parts):
            return all(is_nullable(each) for each in parts)
        case Choice(parts):
            return any(is_nullable(each) for each in parts)
        case Repeat(body, least, _):
            return least == 0 or is_nullable(body)
        case Start() | End():
            return True
