"""Builds Hypothesis strategies from a schema.

hypothesis-jsonschema supports only the drafts up to 7. The values generated here follow a schema approximately, and
values that the compiled schema refuses are dropped (infra/collections/documents.py). So a keyword that is unknown
here costs time, but not correctness.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from hypothesis import strategies as st

from infra.collections.conjunction import both
from jobpipe.domain import json_text

Values = st.SearchStrategy[Any]
_DEEPEST = 5
_MORE_ITEMS = 3
_DIGITS = 10**38 - 1
_EXACT = Context(prec=60)
_LONG = 10**19
_TEXT = st.characters(codec="utf-8", exclude_characters="\0")  # the API refuses the others
_FORMATS: dict[str, Values] = {
    "date-time": st.datetimes(min_value=datetime(1970, 1, 1)).map(  # noqa: DTZ001  # Z is appended
        lambda each: f"{each.isoformat(timespec='seconds')}Z"
    ),
    "date": st.dates().map(lambda each: each.isoformat()),
    "time": st.times().map(lambda each: f"{each.isoformat(timespec='seconds')}Z"),
    "email": st.sampled_from(["a@example.com", "bob.b@mail.example.org"]),
    "hostname": st.sampled_from(["example.com", "a.b.example"]),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "uri": st.sampled_from(["https://example.com/a?b=c", "urn:x:y"]),
    "uri-reference": st.sampled_from(["/a", "https://example.com"]),
    "uuid": st.uuids().map(str),
    "duration": st.sampled_from(["P1D", "PT5M"]),
}


class Generator:
    """Builds strategies for the parts of one schema."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def build(self, schema: Any, depth: int) -> Values:
        """Return a strategy of values that fit the schema, at least approximately."""
        if schema is False or depth > _DEEPEST * 2:
            return st.nothing()
        if schema is True or schema == {}:
            return st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(_TEXT, max_size=3))
        schema = self._merged(schema, 0)
        alternatives = self._alternatives(schema)
        if alternatives is not None:
            return st.one_of([self.build(each, depth + 1) for each in alternatives])
        return self._plain(schema, depth)

    def _alternatives(self, schema: dict[str, Any]) -> list[Any] | None:
        """Return the alternative schemas, or None if the schema has no alternatives."""
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                rest = {name: each for name, each in schema.items() if name != keyword}
                return [both(rest, branch) for branch in schema[keyword]]
        if "if" not in schema:
            return None
        rest = {name: each for name, each in schema.items() if name not in {"if", "then", "else"}}
        return [both(both(rest, schema["if"]), schema.get("then", True)), both(rest, schema.get("else", True))]

    def _plain(self, schema: dict[str, Any], depth: int) -> Values:
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"]) if schema["enum"] else st.nothing()
        kinds = schema.get("type") or _kinds_of(schema)
        return st.one_of(
            [self._of_kind(kind, schema, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        )

    def _merged(self, schema: Any, depth: int) -> dict[str, Any]:
        """Return the schema with what $ref and allOf refer to."""
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return schema if isinstance(schema, dict) else {}
        merged = {name: each for name, each in schema.items() if name not in {"$ref", "allOf"}}
        for part in (*([self._at(schema["$ref"])] if "$ref" in schema else []), *schema.get("allOf", [])):
            merged = both(merged, self._merged(part, depth + 1))
        return merged if "allOf" not in merged and "$ref" not in merged else self._merged(merged, depth + 1)

    def _at(self, reference: str) -> Any:
        found = self._root
        fragment = unquote(reference.partition("#")[2])
        if fragment and not fragment.startswith("/"):
            return next((each for each in _parts(self._root) if each.get("$anchor") == fragment), {})
        for step in fragment.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                found = found.get(name, {}) if isinstance(found, dict) else {}
        return found

    def _of_kind(self, kind: str, schema: dict[str, Any], depth: int) -> Values:
        if kind == "array":
            return self._arrays(schema, depth)
        if kind == "object":
            return self._objects(schema, depth)
        return _SCALARS[kind](schema)

    def _arrays(self, schema: dict[str, Any], depth: int) -> Values:
        first = [self.build(each, depth + 1) for each in schema.get("prefixItems", [])]
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        items = schema.get("items", True)
        each = self.build(items, depth + 1) if items is not False else st.nothing()
        if "contains" in schema:
            least = max(least, int(schema.get("minContains", 1)), len(first) + 1)
            each = st.one_of(each, self.build(both(items, schema["contains"]), depth + 1))
        fewest = max(0, least - len(first))
        largest = fewest + (0 if depth > _DEEPEST or each.is_empty else _MORE_ITEMS)
        if most is not None:
            largest = min(largest, max(0, int(most) - len(first)))
        if fewest > largest:
            return st.nothing()
        unique = (lambda value: json_text.encode(value, sort_keys=True)) if schema.get("uniqueItems") else None
        rest = st.lists(each, min_size=fewest, max_size=largest, unique_by=unique)
        if not first:
            return rest
        return st.tuples(st.tuples(*first), rest).map(lambda pair: [*pair[0], *pair[1]][: most and int(most)])

    def _objects(self, schema: dict[str, Any], depth: int) -> Values:
        properties = schema.get("properties", {})
        needed = [each for each in schema.get("required", []) if isinstance(each, str)]
        required = {name: self.build(properties.get(name, True), depth + 1) for name in needed}
        optional = (
            {}
            if depth > _DEEPEST
            else {
                name: strategy
                for name, each in properties.items()
                if name not in required and not (strategy := self.build(each, depth + 1)).is_empty
            }
        )
        known = st.fixed_dictionaries(required, optional=optional)
        further = self._further(schema, depth)
        if further is None:
            return known
        least = max(0, int(schema.get("minProperties", 0)) - len(required))
        more = st.dictionaries(further[0], further[1], min_size=min(least, 5), max_size=max(2, min(least, 5)))
        return st.tuples(more, known).map(lambda pair: pair[0] | pair[1])

    def _further(self, schema: dict[str, Any], depth: int) -> tuple[Values, Values] | None:
        """Return the names and values of members without a property, or None if there may be none."""
        if depth > _DEEPEST:
            return None
        names = self.build(both({"type": "string"}, schema.get("propertyNames", True)), depth + 1)
        for pattern, each in schema.get("patternProperties", {}).items():
            return _strings({"pattern": pattern}), self.build(each, depth + 1)
        more = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if isinstance(more, dict) and more:
            return names, self.build(more, depth + 1)
        if more is None and not schema.get("properties"):
            return names, self.build(True, depth + 1)
        return None


def _integers(schema: dict[str, Any]) -> Values:
    step = Decimal(str(schema.get("multipleOf", 1)))
    if step != step.to_integral_value():
        step = Decimal(1) if 1 % step == 0 else step * 10 ** -int(step.as_tuple().exponent)
    return _multiples(schema, int(step), 1)


def _fractions(schema: dict[str, Any]) -> Values:
    if "multipleOf" in schema:
        step = Decimal(str(schema["multipleOf"]))
        places = max(0, -int(step.as_tuple().exponent))
        return _multiples(schema, int(step * 10**places), 10**places)
    return st.one_of(_multiples(schema, 1, 100), _multiples(schema, 1, 10**7))


def _multiples(schema: dict[str, Any], step: int, over: int) -> Values:
    """Return multiples of step/over within the schema's bounds, mostly small, but sometimes with many digits."""
    low, high = _bound(schema, "inimum", over, step), _bound(schema, "aximum", over, step)
    limit = _DIGITS // step
    low, high = (-limit if low is None else max(low, -limit)), (limit if high is None else min(high, limit))
    if low > high:
        return st.nothing()
    near = min(max(0, low), high)
    small = st.integers(max(low, near - 1000), min(high, near + 1000))

    def value(count: int) -> Any:
        return count * step if over == 1 else _EXACT.divide(Decimal(count * step), over)

    kinds = [small, small, st.integers(low, high)]
    if max(low, _LONG) <= min(high, _LONG * 1000):
        kinds.append(st.integers(max(low, _LONG), min(high, _LONG * 1000)))  # more digits than a float has
    return st.one_of(kinds).map(value)


def _bound(schema: dict[str, Any], word: str, over: int, step: int) -> int | None:
    """Return the first or last count of steps. The compiled schema decides about values on an exclusive bound."""
    found = [Fraction(str(schema[name])) for name in (f"m{word}", f"exclusiveM{word}") if name in schema]
    if not found:
        return None
    return math.ceil(max(found) * over / step) if word == "inimum" else math.floor(min(found) * over / step)


def _strings(schema: dict[str, Any]) -> Values:
    least = int(schema.get("minLength", 0))
    most = int(schema["maxLength"]) if "maxLength" in schema else None
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        return st.from_regex(str(schema["pattern"]), alphabet=_TEXT)
    largest = least + 12 if most is None else min(most, least + 12)
    return st.text(_TEXT, min_size=least, max_size=largest) if largest >= least else st.nothing()


_SCALARS: dict[str, Callable[[dict[str, Any]], Values]] = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": _integers,
    "number": lambda schema: st.one_of(_integers(schema), _fractions(schema)),
    "string": _strings,
}


def _kinds_of(schema: dict[str, Any]) -> list[str]:
    """Return the types that the keywords of a schema without one suggest."""
    hints = {
        "object": {"properties", "required", "additionalProperties", "patternProperties", "minProperties"},
        "array": {"items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"},
        "string": {"pattern", "minLength", "maxLength", "format"},
        "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    }
    found = [kind for kind, keywords in hints.items() if keywords & schema.keys()]
    return found or ["null", "boolean", "integer", "string"]


def _parts(schema: Any) -> Iterable[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from _parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
