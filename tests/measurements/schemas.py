"""`python -m tests.measurements.schemas`: compares compiled schemas with libraries that check documents.

For each: the tests of the public suite and the numbers that it judges wrong, the time to check an order of ten
lines, and the time and modules of its import. fastjsonschema is no dependency: install it to have its row. Times
depend on the machine.
"""

# ruff: noqa: T201

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.collections.schema import compile_schema, compile_value_schema, load_schema
from infra.errors import OperatorError
from jobpipe.domain.json_text import decode
from tests.collections.schema.compiled import load
from tests.collections.schema.test_checks import ORDER
from tests.collections.schema.test_suite import GROUPS

LINES = ",".join(f'{{"price": {n}.99, "sku": "article {n}", "quantity": {n}}}' for n in range(1, 11))
DOCUMENT = (
    f'{{"number": "AB-1234", "note": "abc", "status": "paid", "lines": [{LINES}],'
    ' "payment": {"kind": "invoice"}}'
)
NUMBERS: list[tuple[dict[str, Any], str, bool]] = [
    ({"multipleOf": Decimal("0.01")}, "19.99", True),
    ({"multipleOf": Decimal("0.01")}, "19.995", False),
    ({"multipleOf": Decimal("0.01")}, "12345678901234567890123456789012345.67", True),
    ({"multipleOf": Decimal("0.01")}, "12345678901234567890123456789012345.678", False),
    ({"maximum": 12345678901234567890123456789012345678}, "12345678901234567890123456789012345679", False),
    ({"const": 12345678901234567890123456789012345678}, "12345678901234567890123456789012345678", True),
    ({"const": Decimal("0.1")}, "0.1", True),
    ({"minimum": Decimal("0.12345678901234567890123456789")}, "0.12345678901234567890123456788", False),
    ({"uniqueItems": True}, "[0.10000000000000000001, 0.1]", True),
    ({"type": "integer"}, "1.0", True),
]
Validator = Callable[[Any], bool]


def own(schema: Any) -> Validator:
    check = load(compile_value_schema(schema, "schema"))
    return lambda value: not check(value)


def with_jsonschema(schema: Any) -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    validator = Draft202012Validator(schema)
    return lambda value: bool(validator.is_valid(value))


def with_jsonschema_rs(schema: Any) -> Validator:
    from jsonschema_rs import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator(schema).is_valid


def with_fastjsonschema(schema: Any) -> Validator:
    import fastjsonschema  # type: ignore[import-not-found]  # noqa: PLC0415

    check = fastjsonschema.compile(schema)

    def fits(value: Any) -> bool:
        try:
            check(value)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return fits


MAKERS = {
    "own": own,
    "jsonschema": with_jsonschema,
    "jsonschema_rs": with_jsonschema_rs,
    "fastjsonschema": with_fastjsonschema,
}


def suite(make: Callable[[Any], Validator]) -> tuple[int, int, int]:
    """Return how many tests of the suite pass, fail, and have a schema that is refused."""
    passed = failed = refused = 0
    for _, group in GROUPS:
        try:
            fits = make(group["schema"])
        except OperatorError:
            refused += len(group["tests"])
            continue
        except Exception:  # noqa: BLE001 - a library that cannot compile the schema fails its tests
            failed += len(group["tests"])
            continue
        for test in group["tests"]:
            try:
                right = fits(test["data"]) == test["valid"]
            except Exception:  # noqa: BLE001
                right = False
            passed, failed = passed + right, failed + (not right)
    return passed, failed, refused


def wrong_numbers(make: Callable[[Any], Validator]) -> int:
    """Return how many of NUMBERS are judged wrong."""
    wrong = 0
    for schema, text, valid in NUMBERS:
        try:
            wrong += make(schema)(decode(text)) != valid
        except Exception:  # noqa: BLE001
            wrong += 1
    return wrong


def microseconds(call: Callable[[], Any], times: int = 2000) -> float:
    """Return the least time of a call, of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - start) / times * 1e6)
    return min(rounds)


def import_time(statement: str, path: str = ".") -> tuple[float, int]:
    """Return the least milliseconds, of seven, and the modules that a statement adds to those of a Lambda."""
    program = (
        "import json, re, decimal, sys, time; known = set(sys.modules); start = time.perf_counter()\n"
        f"{statement}\nprint((time.perf_counter() - start) * 1000, len(set(sys.modules) - known))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=path
        ).stdout.split()
        for _ in range(7)
    ]
    return min(float(each[0]) for each in runs), int(runs[0][1])


def main() -> None:
    """Print the table."""
    schema, document = load_schema(ORDER, "order"), decode(DOCUMENT)
    print("library          suite: right wrong refused   numbers wrong   µs per order   import ms, modules")
    for name, make in MAKERS.items():
        if name != "own" and importlib.util.find_spec(name) is None:
            print(f"{name:16} is not installed")
            continue
        passed, failed, refused = suite(make)
        fits = make(schema if name == "own" else json.loads(ORDER))
        assert fits(document)
        taken = microseconds(lambda fits=fits: fits(document))  # type: ignore[misc]
        if name == "own":
            with tempfile.TemporaryDirectory() as folder:
                for n in range(20):
                    Path(folder, f"schema_{n}.py").write_text(compile_schema(schema, "order"))
                one = import_time("import schema_0", folder)
                twenty = import_time("\n".join(f"import schema_{n}" for n in range(20)), folder)
            loaded = f"{one[0]:6.2f} {one[1]} (20 collections: {twenty[0]:.2f})"
        else:
            milliseconds, modules = import_time(f"import {name}")
            loaded = f"{milliseconds:6.2f} {modules}"
        print(f"{name:16} {passed:12} {failed:5} {refused:7} {wrong_numbers(make):15} {taken:14.1f}   {loaded}")
    table = make_table_matcher()
    text = "a@" * 50_000
    print(f"a table takes {microseconds(lambda: table(text), 3) / len(text) * 1000:.0f} ns for a character")
    taken = microseconds(lambda: compile_schema(schema, "order"), 5)
    print(f"compiling the order's schema takes {taken / 1000:.1f} ms")
    print(f"its module has {len(compile_schema(schema, 'order')):,} characters")


def make_table_matcher() -> Validator:
    """Return the matcher of a pattern that becomes a table."""
    return own({"pattern": "^.+@.+\\..+$"})


if __name__ == "__main__":
    main()
