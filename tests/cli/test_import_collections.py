"""`jobpipe import` and `export` with --collection: the schema types columns, and a dry run knows its rules."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe_client.catalogue import CollectionInfo
from jobpipe_client.cli.commands.exporting import _columns, write_csv
from jobpipe_client.cli.importing.reading.csv_rows import CsvRows
from jobpipe_client.cli.importing.reading.rows import read_rows
from jobpipe_client.cli.importing.reading.source import Lines
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.rules.schema_rules import document_violations
from jobpipe_client.cli.schemas import is_closed, kind_of, kinds_of, required_of, types_of
from jobpipe_client.models import Item
from tests.cli.conftest import Jobpipe
from tests.cli.importing import lines, report, write
from tests.client.service import Canned, Service
from tests.client.service_state import problem

ORDERS = ("--collection", "orders")
HEADER = "number,invoice,customer,status,total,gift,ordered,lines\n"
ROWS = HEADER + '001,7,007,paid,12.50,yes,2026-11-29,"[{""article"": ""a""}]"\n0x2,,true,,0.1,no,,\n'


def collection(schema: dict[str, Any], **more: Any) -> CollectionInfo:
    empty: dict[str, Any] = {"key": None, "unique": (), "indexes": (), "types": {}, "operations": {}}
    return CollectionInfo(name="orders", title="Order", access="shared", schema=schema, **{**empty, **more})


def orders(service: Service) -> list[dict[str, Any]]:
    found = sorted(service.orders.values(), key=lambda each: str(each["number"]))
    return [{name: value for name, value in each.items() if name != "id"} for each in found]


def test_cells_are_read_as_the_schema_says(jobpipe: Jobpipe, service: Service) -> None:
    status, result = report(jobpipe, write("orders.csv", ROWS), *ORDERS)
    assert (status, result["succeeded"]) == (0, 2)
    assert orders(service) == [
        {
            "number": "001", "invoice": 7, "customer": "007", "status": "paid", "total": 12.5, "gift": True,
            "ordered": "2026-11-29", "lines": [{"article": "a"}],
        },
        {"number": "0x2", "customer": "true", "total": 0.1, "gift": False},
    ]  # fmt: skip
    assert service.items == {}


def test_no_note_is_made_of_what_the_schema_calls_text(jobpipe: Jobpipe) -> None:
    done = jobpipe("import", write("orders.csv", "number,customer\n1,2\n"), *ORDERS)
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_mark_or_an_option_takes_precedence(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", 'number:json,total:text,note\n"""1""",9,null\n')
    report(jobpipe, "orders.csv", *ORDERS, "--json-column", "note")
    assert orders(service) == [{"number": "1", "total": "9", "note": None}]


def test_an_export_is_imported_with_its_ids_left_out(jobpipe: Jobpipe, service: Service) -> None:
    report(jobpipe, write("orders.csv", ROWS), *ORDERS)
    before = orders(service)
    for name in ("out.csv", "out.jsonl"):
        assert jobpipe.does("export", name, *ORDERS) == f"2 orders in {name}\n"
    header, first, _ = Path("out.csv").read_text().splitlines()
    assert header == (
        "id,number,invoice:number,customer,status,carrier,total:number,gift:boolean,ordered,note,"
        "lines:json,address:json"
    )
    assert first.split(",")[1:5] == ["001", "7", "007", "paid"]
    for name in ("out.csv", "out.jsonl"):
        service.orders.clear()
        assert report(jobpipe, name, *ORDERS, "--ignore", "id")[0] == 0
        assert orders(service) == before
    (document,) = map(json.loads, jobpipe.does("export", "out.csv", *ORDERS, "--json").splitlines())
    assert document == {"orders": 2, "file": "out.csv", "format": "csv"}


def test_an_export_of_no_document_has_the_header_of_the_schema(jobpipe: Jobpipe) -> None:
    jobpipe.does("export", "out.csv", *ORDERS)
    assert Path("out.csv").read_text().startswith("id,number,invoice:number,customer,status,carrier,total:number,")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "number,custmer\n1,a\n",
            "orders have no field 'custmer': did you mean customer? (--ignore custmer leaves",
        ),
        ("number,weather\n1,a\n", "orders have no field 'weather'; --ignore weather leaves the column out"),
        ("id,number\n1,2\n", "the id is assigned by the service: --ignore id leaves the column out"),
        ("customer\na\n", "no row can be a document of orders: the header has no column 'number' (CSV begins"),
        ("Number,customer\n1,a\n", "the header has no column 'number', but 'Number': change the header"),
        ("number:number\n1\n", "the number must be text, but its column is a number"),
        ("number;customer\n1;2\n", "Its columns are separated by ';': use --delimiter ';'"),
    ],
)
def test_a_header_below_which_no_row_fits_is_reported_at_once(
    jobpipe: Jobpipe, service: Service, text: str, why: str
) -> None:
    assert why in jobpipe.fails(1, "import", write("orders.csv", text), *ORDERS)
    assert why in jobpipe.fails(1, "import", "orders.csv", *ORDERS, "--dry-run")
    assert {seen.path for seen in service.seen} == {"/openapi.json"}


def test_other_columns_are_noted_where_the_schema_is_open(jobpipe: Jobpipe, service: Service) -> None:
    del service.contract["components"]["schemas"]["Order"]["additionalProperties"]
    done = jobpipe("import", write("orders.csv", "number,custmer,weather\n1,a,b\n"), *ORDERS)
    assert done.exit_code == 0
    assert done.stderr == (
        "not in the schema of orders, and read as text unless marked: custmer: did you mean customer?, weather\n"
    )
    assert orders(service) == [{"number": "1", "custmer": "a", "weather": "b"}]


def test_a_wrong_collection_is_one_line(jobpipe: Jobpipe) -> None:
    path = write("orders.csv", ROWS)
    assert "did you mean orders?" in jobpipe.fails(2, "import", path, "--collection", "oders")
    assert "--upsert needs a collection with a key, and items have none" in jobpipe.fails(
        2, "import", path, "--upsert"
    )
    for more in (ORDERS, ("--upsert",)):
        write("commands.jsonl", "")
        why = jobpipe.fails(2, "import", "commands.jsonl", "--commands", *more)
        assert "--commands excludes --collection and --upsert" in why


def test_a_collection_without_a_key_takes_no_upserts(jobpipe: Jobpipe, service: Service) -> None:
    service.contract["x-jobpipe-collections"]["orders"]["key"] = None
    why = jobpipe.fails(2, "import", write("orders.csv", ROWS), *ORDERS, "--upsert")
    assert "--upsert needs a collection with a key, and orders has none" in why


BAD: dict[int, tuple[dict[str, Any], str]] = {
    2: ({}, "400 invalid-request: #/number: `number` is required."),
    3: ({"number": 7}, "#/number: The value must be a string."),
    4: ({"number": "4", "invoice": 1.5}, "#/invoice: The value must be an integer."),
    5: ({"number": "5", "status": "new"}, '#/status: The value must be one of "open", "paid", "shipped".'),
    6: ({"number": "6", "custmer": "a"}, "#/custmer: There is no member 'custmer': did you mean customer?"),
    7: ({"number": "7", "lines": [{"count": 1}]}, "#/lines/0/article: `article` is required."),
    8: (
        {"number": "8", "lines": [{"article": "a", "count": True}]},
        "#/lines/0/count: The value must be an integer.",
    ),
    9: ({"number": "1"}, "409 not-unique: #/number: Another row has the number '1'. (line 1 has the same number)"),
    10: (
        {"number": "10", "invoice": 100},
        "409 not-unique: #/invoice: Another row has the invoice 100. (line 1 has the same invoice)",
    ),
    11: ({"number": "11", "id": "x"}, "#/id: The id is assigned by the service"),
    12: ({"number": "12", "total": int("9" * 39)}, "cannot be stored exactly"),
    13: ({"number": "13", "note": "\0"}, "NUL character"),
    14: ({"number": "1" * 256}, "The value must have 1 to 255 characters."),
    15: ({"number": "15", "address": {}}, "#/address/city: `city` is required."),
}


def test_a_dry_run_knows_types_required_fields_and_enums(jobpipe: Jobpipe, service: Service) -> None:
    good = {"number": "1", "invoice": 100, "note": None, "total": 1, "ordered": "2026-11-29"}
    write("orders.jsonl", lines(good, *(document for document, _ in BAD.values()), {"number": "99"}))
    status, result = report(jobpipe, "orders.jsonl", *ORDERS, "--dry-run")
    assert (status, result["succeeded"], result["refused"]) == (3, 2, len(BAD))
    assert {seen.path for seen in service.seen} == {"/openapi.json"}
    shown = {each["line"]: each["error"] for each in result["first_failures"]}
    for line, error in shown.items():
        assert BAD[line][1] in error
    assert len(shown) == 10


@pytest.mark.parametrize("line", BAD)
def test_each_rule_of_a_dry_run(jobpipe: Jobpipe, line: int) -> None:
    document, why = BAD[line]
    write("orders.jsonl", lines({"number": "1", "invoice": 100}, document))
    _, result = report(jobpipe, "orders.jsonl", *ORDERS, "--dry-run")
    assert [why in each["error"] for each in result["first_failures"]] == [True]


def test_a_value_that_a_later_upsert_gives_up_is_free(jobpipe: Jobpipe) -> None:
    rows = [("Z", 1), ("Z", 2), ("Y", 1), ("X", 2)]
    write("orders.jsonl", lines(*({"number": number, "invoice": invoice} for number, invoice in rows)))
    status, result = report(jobpipe, "orders.jsonl", *ORDERS, "--upsert", "--dry-run")
    (failure,) = result["first_failures"]
    assert (status, failure["line"]) == (3, 4)
    assert "(line 2 has the same invoice)" in failure["error"]


def test_a_dry_run_of_upserts_allows_a_key_twice(jobpipe: Jobpipe) -> None:
    rows = [{"number": "1", "invoice": 7}, {"number": "1", "invoice": 7}, {"number": "2", "invoice": 7}]
    write("orders.jsonl", lines(*rows))
    status, result = report(jobpipe, "orders.jsonl", *ORDERS, "--upsert", "--dry-run")
    assert (status, result["succeeded"]) == (3, 2)
    (failure,) = result["first_failures"]
    assert (failure["line"], failure["reason"]) == (3, "not-unique")


def test_the_file_of_failures_is_imported_with_the_same_options(jobpipe: Jobpipe, service: Service) -> None:
    text = "number,total,address:json\n001,much,\n002,1,{}\n003,2,\n"
    done = jobpipe("import", write("orders.csv", text), *ORDERS, "--upsert")
    assert done.exit_code == 3
    assert "repair them, and import that file with --collection orders --upsert" in done.stdout
    failed = Path("orders.failed.csv")
    assert failed.read_text().splitlines()[0] == "jobpipe:line,jobpipe:error,number,total:number,address:json"
    failed.write_text(failed.read_text().replace("much,", "5,"))
    assert report(jobpipe, str(failed), *ORDERS, "--upsert")[0] == 0
    assert [(each["number"], each["total"]) for each in orders(service)] == [("001", 5), ("002", 1), ("003", 2)]


# Properties: any value of a column comes back as it was.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
texts |= st.sampled_from(["001", "1e5", "true", "null", "", " ", "12.50", "[]", "a:number"])
exact = st.integers(-(10**38) + 1, 10**38 - 1) | st.decimals("-1000", "1000", places=20) | st.just(Decimal("1.10"))
values = {
    "string": texts,
    "integer": st.integers(-(10**38) + 1, 10**38 - 1),
    "number": exact,
    "boolean": st.booleans(),
    "array": st.lists(texts | exact | st.none(), max_size=3),
    "object": st.dictionaries(texts, texts | exact, max_size=3),
}
NAMES = ("a", "b", "total", "x:number", "jobpipe:line", "")


@st.composite
def documents_of_a_schema(draw: st.DrawFn) -> tuple[CollectionInfo, list[dict[str, Any]]]:
    properties: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1)):
        kinds = draw(st.lists(st.sampled_from([*values, "null"]), min_size=1, max_size=2, unique=True))
        properties[name] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    within = {
        name: st.one_of([values.get(kind, st.none()) for kind in _list(schema["type"])])
        for name, schema in properties.items()
    }
    extra = {"extra": texts | exact | st.booleans() | st.none()}
    found = draw(
        st.lists(st.fixed_dictionaries({}, optional={**within, **extra}).filter(bool), min_size=1, max_size=4)
    )
    return collection({"type": "object", "properties": properties}), found


def _list(types: Any) -> list[str]:
    return types if isinstance(types, list) else [types]


@given(documents_of_a_schema())
def test_what_is_exported_is_imported_exactly(case: tuple[CollectionInfo, list[dict[str, Any]]]) -> None:
    info, found = case
    written: list[str] = []
    write_csv([Item({"id": str(n), **each}) for n, each in enumerate(found)], written.append, _columns(info))
    content = "".join(written).encode()
    source = Lines(io.BytesIO(content))
    form = CsvRows(source, ignored=["id"], target=Target.for_collection(info, upsert=False))
    read = [row.command["item"] for row in read_rows(form, source) if row.command is not None]
    assert list(map(_canonical, read)) == list(map(_canonical, found))
    for document in found:
        known = {name: value for name, value in document.items() if name != "extra"}
        assert document_violations(info, known, 20) == [], "a dry run takes what the schema takes"


def _canonical(value: Any) -> Any:
    """The value with its types, since true is 1 in Python, and 1.10 is 1.1 in JSON."""
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_canonical, value))
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return ("number", Decimal(str(value))) if is_number else (type(value), value)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["integer", "null"]}, "number"),
        ({"type": ["integer", "number"]}, "number"),
        ({"type": ["boolean", "null"]}, "boolean"),
        ({"type": ["string", "integer"]}, "text"),
        ({"type": ["boolean", "integer"]}, "json"),
        ({"type": "null"}, "json"),
        ({}, "text"),
        (True, "text"),
        (False, "json"),
        ({"const": 7}, "number"),
        ({"enum": ["a", None]}, "text"),
        ({"enum": [True, False]}, "boolean"),
        ({"$ref": "#/$defs/amount"}, "number"),
        ({"$ref": "#/$defs/circle"}, "text"),
        ({"allOf": [{"type": ["string", "number"]}, {"type": ["number", "null"]}]}, "number"),
        ({"oneOf": [{"type": "object"}, {"type": "array"}]}, "json"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number"),
        ({"type": "number", "anyOf": [{"minimum": 1}, {"maximum": 0}]}, "number"),
    ],
    ids=str,
)
def test_the_kind_of_a_schema(schema: Any, kind: str) -> None:
    info = collection({"$defs": {"amount": {"type": "number"}, "circle": {"allOf": [{"$ref": "#/$defs/circle"}]}}})
    assert kind_of(types_of(info, {"field": schema})["field"]) == kind


def test_fields_are_found_in_all_parts_of_a_schema() -> None:
    base = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
    info = collection(
        {
            "$ref": "#/$defs/base",
            "$defs": {"base": base},
            "properties": {"b": {"type": "string"}},
            "required": ["b"],
            "allOf": [{"properties": {"c": {"type": "boolean"}}}],
            "oneOf": [
                {"properties": {"d": {"type": "integer"}, "a": True}},
                {"properties": {"d": {"type": "null"}}},
            ],
            "if": {"properties": {"e": {"const": 1}}},
            "then": {"properties": {"f": {"type": "array"}}},
            "unevaluatedProperties": False,
        },
        key="b",
    )
    assert kinds_of(info) == {"a": "number", "b": "text", "c": "boolean", "d": "number", "f": "json"}
    assert required_of(info) == ("b", "a")
    assert is_closed(info)
    assert not is_closed(collection({"additionalProperties": False, "patternProperties": {"^x-": True}}))
    assert not is_closed(collection({}))


@pytest.mark.parametrize(
    ("collection", "said"),
    [
        ((), "--restart sends all rows again, and rows whose name is taken are refused"),
        (ORDERS, "--restart sends all rows again, and rows that exist are refused"),
        ((*ORDERS, "--upsert"), "--restart sends all rows again: rows whose number exists change that document"),
    ],
    ids=["items", "a key", "upserts"],
)
def test_what_a_restart_does_is_said_before_it_has_finished(
    jobpipe: Jobpipe, service: Service, collection: tuple[str, ...], said: str
) -> None:
    row = {"name": "Tent", "description": "d"} if not collection else {"number": "1"}
    path = write("rows.jsonl", lines(row, row))
    forbidden = Canned(403, {}, problem(403))
    service.outage = lambda seen: forbidden if (seen.method, seen.path[:8]) == ("GET", "/batches") else None
    assert jobpipe("import", path, *collection).exit_code == 1, "its rows are stored, and have not ended for it"
    service.outage = lambda _: None
    write("rows.jsonl", lines(row, row, row))
    assert said in jobpipe.fails(1, "import", path, *collection)
