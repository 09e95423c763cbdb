"""Writes a pattern in the syntax of Python's `re`."""

from __future__ import annotations

from infra.collections.schema.patterns.char_sets import Ranges, complement
from infra.collections.schema.patterns.syntax import Chars, Choice, End, Part, Repeat, Sequence, Start


def to_python(part: Part) -> str:
    """Return the pattern, in ASCII."""
    match part:
        case Start():
            return r"\A"
        case End():
            return r"\Z"
        case Chars(ranges):
            return _chars(ranges)
        case Sequence(parts):
            return "".join(
                f"(?:{to_python(each)})" if isinstance(each, Choice) else to_python(each) for each in parts
            )
        case Choice(parts):
            return "|".join(map(to_python, parts))
        case Repeat(body, least, most):
            inner = to_python(body) if isinstance(body, Chars) else f"(?:{to_python(body)})"
            return inner + _count(least, most)


def _count(least: int, most: int | None) -> str:
    short = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    if short:
        return short
    if most is None:
        return f"{{{least},}}"
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _chars(ranges: Ranges) -> str:
    if not ranges:
        return r"[^\x00-\U0010ffff]"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _character(ranges[0][0])
    others = complement(ranges)
    if others and len(others) < len(ranges):
        return f"[^{_members(others)}]"
    return f"[{_members(ranges)}]"


def _members(ranges: Ranges) -> str:
    return "".join(
        _character(low) if low == high else f"{_character(low)}-{_character(high)}" for low, high in ranges
    )


def _character(code: int) -> str:
    character = chr(code)
    if character.isascii() and (character.isalnum() or character in "_@:;,/ '\"<>=!%"):
        return character
    if character.isascii() and character.isprintable():
        return f"\\{character}"
    if character <= "\xff":
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if character <= "\uffff" else f"\\U{code:08x}"
