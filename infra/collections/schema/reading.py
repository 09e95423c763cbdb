"""Reads a schema as JSON with exact numbers, up to a sensible depth and size."""

from __future__ import annotations

import json
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NoReturn

from infra.errors import OperatorError

MOST_NESTED = 70
"""The maximum depth of a schema."""
_MOST_SHOWN = 200
_MOST_EXPONENT = 400
_EXACT = Context(prec=1000)


def refuse(place: str, pointer: str, reason: str) -> NoReturn:
    """Raise the error of a schema, as one line with file and place."""
    line = " ".join(reason.split())
    raise OperatorError(f"{place}, at #{pointer}: {line}")


def shown(text: str) -> str:
    """Return the text for an error message, shortened to keep the line readable."""
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def step(name: str) -> str:
    """Return a step of a JSON Pointer."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def load_schema(text: str | bytes, place: str) -> Any:
    """Return the schema in a JSON text, for `compile_schema`; raise OperatorError if it is not JSON."""
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise OperatorError(f"{place}: the file is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise OperatorError(f"{place}, line {error.lineno}, column {error.colno}: {error.msg}") from None
    except _NotStrict as error:
        raise OperatorError(f"{place}: {error}") from None
    except (RecursionError, InvalidOperation, ValueError):
        raise OperatorError(f"{place}: it is nested too deeply, or has a number that is too large") from None


class _NotStrict(Exception):
    pass


def _no_constant(name: str) -> NoReturn:
    raise _NotStrict(f"{name} is not a number of JSON")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        names = [name for name, _ in members]
        raise _NotStrict(
            f"the name {next(each for each in names if names.count(each) > 1)!r} appears twice in an object"
        )
    return value


def normalize(value: Any, place: str, pointer: str = "", depth: int = 0) -> Any:
    """Return a copy of plain JSON: integers where a number has no fraction, otherwise Decimals."""
    if depth > MOST_NESTED:
        refuse(place, "", f"the schema is nested more than {MOST_NESTED} levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place, pointer)
    if isinstance(value, int | float | Decimal):
        return _number(value, place, pointer)
    if isinstance(value, list | tuple):
        return [normalize(each, place, f"{pointer}/{index}", depth + 1) for index, each in enumerate(value)]
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                refuse(place, pointer, f"the name {name!r} is not a string")
            _text(name, place, pointer)
        return {name: normalize(each, place, pointer + step(name), depth + 1) for name, each in value.items()}
    refuse(place, pointer, f"{type(value).__name__} has no form in JSON")


def _text(value: str, place: str, pointer: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(place, pointer, "a text has half of a surrogate pair")
    return value


def _number(value: float | Decimal, place: str, pointer: str) -> int | Decimal:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or (number and abs(number.adjusted()) > _MOST_EXPONENT):
        refuse(place, pointer, "a number is too large or too small")
    if len(number.as_tuple().digits) > _MOST_EXPONENT:
        refuse(place, pointer, "a number has too many digits")
    return int(number) if number == number.to_integral_value() else number.normalize(_EXACT)
