"""JSON with exact numbers: a fraction that a float cannot represent exactly is read as a Decimal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any


def decode(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raise ValueError if the text is invalid, has NaN or is nested too deeply."""
    return _decode(_DECODER, text)


def decode_strictly(text: str | bytes) -> Any:
    """Decode like `decode`, but also raise ValueError if an object has the same name twice."""
    return _decode(_STRICT_DECODER, text)


def encode(value: Any) -> str:
    """Return compact JSON, with each Decimal as a number. Raise ValueError if the value has no JSON form."""
    try:
        try:
            return _ENCODER.encode(value)
        except _DecimalFound:
            # The C encoder cannot write a Decimal as a number, so the rare value with one is encoded in Python.
            return _encode_with_decimals(value)
    except TypeError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _DecimalFound(Exception):
    pass


def _decode(decoder: json.JSONDecoder, text: str | bytes) -> Any:
    try:
        return decoder.decode(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _find_decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a JSON number")
        raise _DecimalFound
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _encode_with_decimals(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else _ENCODER.encode(value)
    if isinstance(value, dict):
        members = (f"{encode_basestring(_name(name))}:{_encode_with_decimals(v)}" for name, v in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_encode_with_decimals(each) for each in value) + "]"
    return _ENCODER.encode(value)


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name {name!r} of a member is not text")
    return name


def _parse_fraction(literal: str) -> float | Decimal:
    short = float(literal)
    if repr(short) == literal:  # true of nearly all numbers
        return short
    try:
        exact = Decimal(literal)
    except InvalidOperation:  # the exponent is too large even for Decimal
        raise ValueError(f"the number {literal[:50]} has an exponent that is too large") from None
    return short if Decimal(repr(short)) == exact else exact


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        duplicate, _ = Counter(name for name, _ in members).most_common(1)[0]
        raise ValueError(f"the name {duplicate[:80]!r} appears twice in one object")
    return value


def _decoder(hook: Callable[[list[tuple[str, Any]]], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=hook, parse_float=_parse_fraction, parse_constant=_refuse_constant)


_DECODER, _STRICT_DECODER = _decoder(None), _decoder(_refuse_duplicates)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_find_decimal)
