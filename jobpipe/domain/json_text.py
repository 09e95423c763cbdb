"""Decode JSON strictly and encode it exactly.

Numbers keep all their digits. Numbers that DynamoDB cannot store are refused: more than 38 significant digits, or
outside 1E-130 … 9.99E+125
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any

from jobpipe.domain.errors import InvalidRequest, Unstorable
from jobpipe.domain.violations import Path, Violations, pointer

MAX_DIGITS = 38
MAX_EXPONENT = 125
MIN_EXPONENT = -130
_EXACT = Context(prec=MAX_DIGITS)
_MOST_SHOWN = 50  # characters of a number that is refused


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text; a fraction that a float cannot represent exactly is a Decimal.

    Raise InvalidRequest if it is not JSON, not UTF-8, or starts with a byte order mark. Raise Unstorable, which
    locates each of them, for duplicate names in an object, NaN, the infinities, and numbers that cannot be stored.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        try:
            return _DECODER.decode(text)
        except _UnstorableValue:
            marked = _MARKING_DECODER.decode(text)
    except UnicodeError:
        raise InvalidRequest("The body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    raise _unstorable(marked)


def decode_with_decimals(text: str) -> Any:
    """Return the value of a stored JSON text, so that calculations with it are exact.

    A whole number is an int, however it is written, since 1.0 is an integer for a schema; every other is a Decimal.
    """
    return json.loads(text, parse_float=_int_or_decimal)


def _int_or_decimal(literal: str) -> int | Decimal:
    number = Decimal(literal)
    return int(number) if number.adjusted() < MAX_DIGITS and number == number.to_integral_value() else number


def encode(value: Any, *, sort_keys: bool = False) -> str:
    """Return compact JSON text; Decimals are written as numbers, digit by digit."""
    try:
        return (_SORTING_ENCODER if sort_keys else _ENCODER).encode(value)
    except _DecimalFound:
        # The C encoder cannot write a Decimal as a number, so the rare value that has one is encoded in Python.
        return _encode_with_decimals(value, sort_keys)


class _DecimalFound(Exception):
    pass


def _report_decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _DecimalFound
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _encode_with_decimals(value: Any, sort_keys: bool) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if type(value) is int:
        return repr(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        members = sorted(value.items()) if sort_keys else value.items()
        return (
            "{"
            + ",".join(f"{encode_basestring(k)}:{_encode_with_decimals(v, sort_keys)}" for k, v in members)
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ",".join(_encode_with_decimals(v, sort_keys) for v in value) + "]"
    return _ENCODER.encode(value)


class _UnstorableValue(Exception):
    """The text has a value that cannot be stored; the slower marking decoder finds all of them."""


class _Mark(str):
    """The literal of a number that cannot be stored, as a placeholder."""

    __slots__ = ()

    def why(self) -> str:
        """Return why the number cannot be stored."""
        if self[-1] not in "0123456789":
            return f"{self} is not a JSON number."
        shown = self if len(self) <= _MOST_SHOWN else self[: _MOST_SHOWN - 3] + "..."
        return (
            f"The number {shown} cannot be stored exactly: at most {MAX_DIGITS} significant digits, "
            f"between 1E{MIN_EXPONENT} and 9.9E+{MAX_EXPONENT}."
        )


class _Repeating(dict[str, Any]):
    """An object that has a name twice."""

    name = ""


def _unstorable(marked: Any) -> Unstorable:
    """Return the error that locates all marks; in its value, each mark is replaced by 0."""
    found = Violations()
    top = [marked]
    waiting: list[tuple[Any, Path]] = [(top, None)]
    while waiting:
        container, path = waiting.pop()
        steps: list[tuple[str | int, Any]] = list(
            container.items() if isinstance(container, dict) else enumerate(container)
        )
        for step, member in steps:
            here: Path = None if container is top else (path, step)
            if isinstance(member, _Mark):
                if not found.full:
                    found.add(member.why(), pointer(here))
                container[step] = 0
            elif isinstance(member, dict | list):
                if isinstance(member, _Repeating) and not found.full:
                    found.add(
                        f"The name {member.name[:80]!r} appears twice in one object.", pointer((here, member.name))
                    )
                waiting.append((member, here))
    return Unstorable(found.refusal(), top[0])


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise _UnstorableValue
    return value


def _marked_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) == len(members):
        return value
    repeating = _Repeating(value)
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            repeating.name = name
            break
        seen.add(name)
    return repeating


def _constant(_: str) -> Any:
    raise _UnstorableValue


def _marking(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function that reads a number, or returns a mark if the number cannot be stored."""

    def number(literal: str) -> Any:
        try:
            return read(literal)
        except _UnstorableValue:
            return _Mark(literal)

    return number


def _integer(literal: str) -> int:
    if len(literal) > MAX_DIGITS:
        _check_storable(literal)
    return int(literal)


def _fraction(literal: str) -> float | Decimal:
    short = float(literal)
    if repr(short) == literal and "e" not in literal:  # fast, since a megabyte may have very many
        return short
    exact = _check_storable(literal)
    # Trailing zeros are removed, so that equal fractions have the same text and fingerprint.
    return short if Decimal(repr(short)) == exact else exact.normalize(_EXACT)


def _check_storable(literal: str) -> Decimal:
    """Return the number if DynamoDB can store it; checked before int(), which is slow for long literals."""
    try:
        number = Decimal(literal)
    except InvalidOperation:  # the exponent is too large even for Decimal
        number = Decimal("Infinity")
    if not number:
        return Decimal(0)
    digits = "" if number.is_infinite() else "".join(map(str, number.as_tuple().digits)).rstrip("0")
    if not digits or len(digits) > MAX_DIGITS or not MIN_EXPONENT <= number.adjusted() <= MAX_EXPONENT:
        raise _UnstorableValue
    return number


# json.loads and json.dumps would create decoders and encoders with each call, which takes a third of the time for a
# short text.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
_MARKING_DECODER = json.JSONDecoder(
    object_pairs_hook=_marked_object,
    parse_int=_marking(_integer),
    parse_float=_marking(_fraction),
    parse_constant=_Mark,
)
_ENCODER, _SORTING_ENCODER = (
    json.JSONEncoder(
        ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=sort_keys, default=_report_decimal
    )
    for sort_keys in (False, True)
)
