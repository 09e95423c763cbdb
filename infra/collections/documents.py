"""Generates documents for a schema with Hypothesis, for the trial of operations."""

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.errors import HypothesisException, Unsatisfiable

from infra.collections.generator import Generator, Values
from jobpipe.domain import json_text
from jobpipe.domain.documents.item_rules import check_tree
from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.violations import Violations

_CHOICE = 4  # values to generate for each value used, since Hypothesis repeats small values
Check = Callable[[Any, Callable[..., None]], None]


def documents(schema: Any, check: Check) -> Values:
    """Return a strategy of values that the API accepts, by this schema and its compiled check."""
    return Generator(schema).build(schema, 0).map(_as_decoded).filter(lambda value: accepts(check, value))


def accepts(check: Check, value: Any) -> bool:
    """Return whether the compiled schema accepts the value, and a request's body may contain it."""
    return not violations(check, value) and _can_be_stored(value)


def violations(check: Check, value: Any) -> list[str]:
    """Return the violations that the compiled schema finds in the value, each with its place."""
    found: list[str] = []
    check(value, lambda detail, path: found.append(f"{detail} (#{''.join(f'/{step}' for step in path)})"))
    return found


def examples(values: Values, number: int) -> list[Any]:
    """Return at most `number` different values, always the same ones, by size. The list may be empty."""
    found: dict[str, Any] = {}

    @settings(
        max_examples=number * _CHOICE,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def collect(value: Any) -> None:
        found.setdefault(json_text.encode(value, sort_keys=True), value)

    # Raised if no value fits, or if Hypothesis cannot generate a pattern.
    with contextlib.suppress(Unsatisfiable, HypothesisException):
        collect()
    by_size = sorted(found, key=lambda text: (len(text), text))
    step = max(1, len(by_size) / number)
    return [found[by_size[int(position * step)]] for position in range(min(number, len(by_size)))]


def _as_decoded(value: Any) -> Any:
    return json_text.decode(json_text.encode(value))


def _can_be_stored(value: Any) -> bool:
    found = Violations()
    check_tree({"value": value}, found)
    try:
        found.check()
    except InvalidRequest:
        return False
    return True
