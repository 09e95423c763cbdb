"""The public suite of draft 2020-12: every test of a claimed keyword passes; the others' schemas are refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra.collections.schema import compile_value_schema
from infra.collections.schema.keywords import CLAIMED, DIALECT
from infra.errors import OperatorError
from jobpipe.domain.json_text import decode, encode
from tests.collections.schema.compiled import load

SUITE = Path(__file__).parent / "suite" / "draft2020-12"
GROUPS = [(path.stem, group) for path in sorted(SUITE.glob("*.json")) for group in json.loads(path.read_text())]
IDS = [f"{file}: {group['description']}" for file, group in GROUPS]

# What no schema may have, each with the number of the suite's tests that need it; a schema counts under the first.
REFUSED = {
    r"\$dynamicAnchor is not supported": 28,
    r"\$dynamicRef is not supported": 6,
    r"\$id is supported at the root only": 44,
    r"is not in this file; only references that start with # are supported": 6,
    r"/\$schema: the only supported dialect is": 5,
}


def refusal(schema: Any) -> str | None:
    try:
        compile_value_schema(schema, "schema.json")
    except OperatorError as error:
        return str(error)
    return None


def needs_more_than_is_claimed(schema: Any) -> bool:
    """Return whether a schema names what the documentation says is refused, found without the compiler."""
    text = json.dumps(schema)
    root_id = schema.pop("$id", None) if isinstance(schema, dict) else None
    nested_id = re.search(r'"\$id": "', json.dumps(schema)) is not None
    if root_id is not None:
        schema["$id"] = root_id
    other_dialect = isinstance(schema, dict) and schema.get("$schema", DIALECT) != DIALECT
    remote = re.search(r'"\$ref": "(https?://json-schema.org|http://localhost:1234)', text) is not None
    return bool(re.search(r'"\$dynamic(Ref|Anchor)":', text)) or nested_id or other_dialect or remote


@pytest.mark.parametrize(("file", "group"), GROUPS, ids=IDS)
def test_a_group_passes_or_is_refused(file: str, group: dict[str, Any]) -> None:
    schema = group["schema"]
    reason = refusal(schema)
    if reason is not None:
        assert "\n" not in reason
        assert reason.startswith("schema.json, at #")
        assert any(re.search(each, reason) for each in REFUSED), reason
        assert needs_more_than_is_claimed(schema), reason
        return
    check = load(compile_value_schema(schema, "schema.json"))
    for test in group["tests"]:
        found = check(test["data"])
        assert (not found) == test["valid"], (test, found)
        # The same value, with numbers as they come from a request.
        if storable(test["data"]):
            assert check(decode(encode(test["data"]))) == found


def storable(value: Any) -> bool:
    try:
        decode(encode(value))
    except Exception:  # noqa: BLE001 - which numbers can be stored is not tested here
        return False
    return True


def test_the_refused_tests_are_counted() -> None:
    found: Counter[str] = Counter()
    for _, group in GROUPS:
        reason = refusal(group["schema"])
        if reason is not None:
            (kind,) = [each for each in REFUSED if re.search(each, reason)]
            found[kind] += len(group["tests"])
    assert found == REFUSED
    assert sum(len(group["tests"]) for _, group in GROUPS) == 1268


def test_every_claimed_keyword_is_tested() -> None:
    accepted = json.dumps([group["schema"] for _, group in GROUPS if refusal(group["schema"]) is None])
    assert [each for each in CLAIMED if f'"{each}":' not in accepted] == []
