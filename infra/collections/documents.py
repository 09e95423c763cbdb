"""Generates documents of a schema by Hypothesis, for the trial of operations.

hypothesis-jsonschema knows the drafts up to 7 only. What is generated here follows the schema roughly, and the compiled
schema has the last word: what it refuses is dropped. So a keyword that is not known here costs time, and no correctness.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException, InvalidArgument, Unsatisfiable

from jobpipe.domain import json_text

Check = Callable[[Any, Callable[..., None]], None]
Values = st.SearchStrategy[Any]
_DEEPEST = 5
_MORE_ITEMS = 3
_DIGITS = 10**38 - 1
_TEXT = st.characters(codec="utf-8", exclude_categories=("Cs",))
_FORMATS: dict[str, Values] = {
    "date-time": st.datetimes(min_value=__import__("datetime").datetime(1970, 1, 1)).map(  # noqa: DTZ001
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


def documents(schema: Any, check: Check) -> Values:
    """Return a strategy of values that the compiled schema accepts."""
    return _Generator(schema).build(schema, 0).map(_as_decoded).filter(lambda value: accepts(check, value))


def accepts(check: Check, value: Any) -> bool:
    """Return whether the compiled schema accepts the value."""
    return not violations(check, value)


def violations(check: Check, value: Any) -> list[str]:
    """Return what the compiled schema says against the value, each with its place."""
    found: list[str] = []
    check(value, lambda detail, path: found.append(f"{detail} (#{''.join(f'/{step}' for step in path)})"))
    return found


def some(values: Values, number: int) -> list[Any]:
    """Return up to so many different values, always the same ones and the smallest first; none if none is found."""
    found: dict[str, Any] = {}

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def collect(value: Any) -> None:
        found.setdefault(json_text.encode(value, sort_keys=True), value)

    try:
        collect()
    except (Unsatisfiable, InvalidArgument, HypothesisException):
        pass  # nothing fits, or a pattern that Hypothesis cannot generate
    return [found[each] for each in sorted(found, key=lambda text: (len(text), text))]


def _as_decoded(value: Any) -> Any:
    return json_text.decode(json_text.encode(value))


class _Generator:
    """Builds strategies for the parts of one schema."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def build(self, schema: Any, depth: int) -> Values:
        if schema is False or depth > _DEEPEST * 2:
            return st.nothing()
        if schema is True or schema == {}:
            return st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(_TEXT, max_size=3))
        schema = self._merged(schema, 0)
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                rest = {name: each for name, each in schema.items() if name != keyword}
                return st.one_of([self.build(_both(rest, branch), depth + 1) for branch in schema[keyword]])
        if "if" in schema:
            rest = {name: each for name, each in schema.items() if name not in {"if", "then", "else"}}
            yes = _both(_both(rest, schema["if"]), schema.get("then", True))
            return st.one_of(
                self.build(yes, depth + 1), self.build(_both(rest, schema.get("else", True)), depth + 1)
            )
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
            merged = _both(merged, self._merged(part, depth + 1))
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
        match kind:
            case "null":
                return st.none()
            case "boolean":
                return st.booleans()
            case "integer":
                return _integers(schema)
            case "number":
                return st.one_of(_integers(schema), _fractions(schema))
            case "string":
                return _strings(schema)
            case "array":
                return self._arrays(schema, depth)
            case _:
                return self._objects(schema, depth)

    def _arrays(self, schema: dict[str, Any], depth: int) -> Values:
        first = [self.build(each, depth + 1) for each in schema.get("prefixItems", [])]
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        items = schema.get("items", True)
        each = self.build(items, depth + 1) if items is not False else st.nothing()
        if "contains" in schema:
            least = max(least, int(schema.get("minContains", 1)), len(first) + 1)
            each = st.one_of(each, self.build(_both(items, schema["contains"]), depth + 1))
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
        return st.tuples(st.tuples(*first), rest).map(lambda both: [*both[0], *both[1]][: most and int(most)])

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
        return st.tuples(more, known).map(lambda both: both[0] | both[1])

    def _further(self, schema: dict[str, Any], depth: int) -> tuple[Values, Values] | None:
        """Return names and values of members that have no property of their own, if there may be some."""
        if depth > _DEEPEST:
            return None
        names = self.build(_both({"type": "string"}, schema.get("propertyNames", True)), depth + 1)
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
    """Return multiples of step/over within the schema's bounds: small ones, and now and then one of many digits."""
    low, high = _bound(schema, "inimum", over, step), _bound(schema, "aximum", over, step)
    limit = _DIGITS // step
    low, high = (-limit if low is None else max(low, -limit)), (limit if high is None else min(high, limit))
    if low > high:
        return st.nothing()
    near = min(max(0, low), high)
    small = st.integers(max(low, near - 1000), min(high, near + 1000))

    def value(count: int) -> Any:
        return count * step if over == 1 else Decimal(count * step) / over

    return st.one_of(small, small, small, st.integers(low, high)).map(value)


def _bound(schema: dict[str, Any], word: str, over: int, step: int) -> int | None:
    """Return the first or last count of steps; the compiled schema settles what lies on an exclusive bound."""
    found = [Decimal(str(schema[name])) for name in (f"m{word}", f"exclusiveM{word}") if name in schema]
    if not found:
        return None
    if word == "inimum":
        return -int(-(max(found) * over) // step)
    return int((min(found) * over) // step)


def _strings(schema: dict[str, Any]) -> Values:
    least = int(schema.get("minLength", 0))
    most = int(schema["maxLength"]) if "maxLength" in schema else None
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        return st.from_regex(str(schema["pattern"]), alphabet=_TEXT)
    largest = least + 12 if most is None else min(most, least + 12)
    return st.text(_TEXT, min_size=least, max_size=largest) if largest >= least else st.nothing()


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


def _both(one: Any, other: Any) -> Any:
    """Return a schema that is roughly the conjunction of two."""
    if one is False or other is False:
        return False
    if not isinstance(one, dict) or not one:
        return other if isinstance(other, dict) else one
    if not isinstance(other, dict):
        return one
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        merged[name] = _conjunction(name, one[name], other[name])
    return merged


def _conjunction(name: str, mine: Any, theirs: Any) -> Any:
    if name in {"properties", "$defs", "patternProperties"}:
        return {**mine, **{each: _both(mine.get(each, True), schema) for each, schema in theirs.items()}}
    if name == "required":
        return [*mine, *(each for each in theirs if each not in mine)]
    if name in {"items", "additionalProperties", "propertyNames", "contains"}:
        return _both(mine, theirs)
    if name == "enum":
        return [each for each in mine if each in theirs]
    if name in {"minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"}:
        return max(mine, theirs)
    if name in {"maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties"}:
        return min(mine, theirs)
    if name == "type":
        left, right = ([each] if isinstance(each, str) else each for each in (mine, theirs))
        return [each for each in left if each in right or (each == "integer" and "number" in right)] or right
    if name in {"oneOf", "anyOf"}:
        return [_both(left, right) for left in mine for right in theirs]
    return theirs


def _parts(schema: Any) -> Iterable[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from _parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
