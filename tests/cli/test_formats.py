"""The import reads any bytes, and every value that the export writes."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobpipe_client import json_text
from jobpipe_client.cli.commands.exporting import write_csv, write_jsonl
from jobpipe_client.cli.importing.reading.batches import Batch, split_into_batches
from jobpipe_client.cli.importing.reading.csv_rows import CsvRows
from jobpipe_client.cli.importing.reading.jsonl import JsonLines
from jobpipe_client.cli.importing.reading.rows import FAILURE_FIELDS, Format, read_rows
from jobpipe_client.cli.importing.reading.source import MAX_LINE_BYTES, Lines
from jobpipe_client.models import Item

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "",
        "jobpipe:line",
        "jobpipe:error",
        "jobpipe:",
        "a:number",
        "007",
        "true",
        "1.50",
        'x"y',
        "\r",
        "\n",
        " ",
        "\ufeff",
        ",",
        "=1",
    ]
)
numbers = (
    st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-100, max_value=100, places=25)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
items = st.dictionaries(texts.filter(lambda name: name != "id"), values, max_size=5)


def commands(form: Format, content: bytes, number: int = 0) -> list[Any]:
    file = io.BytesIO(content)
    start = file.seek(end_of_header(form))
    return [
        row.command and row.command["item"] for row in read_rows(form, Lines(file, offset=start, number=number))
    ]


def end_of_header(form: Format) -> int:
    return sum(line.size for line in form.header)


def without_failure_fields(item: dict[str, Any]) -> dict[str, Any]:
    """JSON lines cannot say that these are fields of the item."""
    return {name: value for name, value in item.items() if name not in FAILURE_FIELDS}


@given(st.lists(items, min_size=1, max_size=5))
@example([{"": "a", "jobpipe:line": "b", "jobpipe:error": 1, "jobpipe:x": "c"}])
def test_a_csv_that_was_exported_has_the_same_items(found: list[dict[str, Any]]) -> None:
    written = [Item({"id": str(n), "name": "N", **item}) for n, item in enumerate(found)]
    lines: list[str] = []
    assert write_csv(written, lines.append) == len(found)
    content = "".join(lines).encode()
    form = CsvRows(Lines(io.BytesIO(content)), ignored=["id"])
    expected = [{"name": "N", **item} for item in found]
    read = commands(form, content, number=1)
    # As JSON text, since 1 == True and 1 == 1.0 in Python.
    assert list(map(sorted_text, read)) == list(map(sorted_text, expected))


@given(st.lists(items.map(without_failure_fields).filter(bool), max_size=5))
def test_lines_of_json_that_were_exported_have_the_same_items(found: list[dict[str, Any]]) -> None:
    lines: list[str] = []
    write_jsonl(map(Item, found), lines.append)
    assert all(line[:-1].isprintable() for line in lines)
    read = commands(JsonLines(Lines(io.BytesIO()), commands=False), "".join(lines).encode())
    assert list(map(sorted_text, read)) == list(map(sorted_text, found))


def sorted_text(value: Any) -> str:
    return json_text.encode(in_order(value))


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [in_order(each) for each in value]
    # A fraction that a float holds exactly is read as a float.
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else value.normalize()
    return value


pieces = st.sampled_from(
    [b"a", b"b", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b'{"a":1}', b" "]
)


@given(st.lists(pieces, max_size=60), st.integers(1, 5), st.sampled_from(["csv", "jsonl"]))
@example([b'"', b"\n", b"a", b"\n", b'"', b"x", b"\n"], 1, "csv")
def test_a_range_that_is_read_again_is_the_same_batch(soup: list[bytes], most: int, kind: str) -> None:
    content = (b"a,b\n" if kind == "csv" else b"") + b"".join(soup)
    first = Lines(io.BytesIO(content))
    form: Format = CsvRows(first) if kind == "csv" else JsonLines(Lines(io.BytesIO()), commands=False)
    batches = list(split_into_batches(form, first, number=0, max_rows=most))
    assert [batch.number for batch in batches] == list(range(len(batches)))
    end = end_of_header(form)
    for batch in batches:
        assert batch.start == end < batch.end
        end = batch.end
        file = io.BytesIO(content)
        file.seek(batch.start)
        lines = Lines(file, offset=batch.start, number=batch.line, end=batch.end)
        (again,) = split_into_batches(form, lines, number=batch.number, max_rows=most)
        assert again.sha256 == batch.sha256
        assert content_of(again) == content_of(batch)


def content_of(batch: Batch) -> list[tuple[int, int, Any]]:
    return [(row.line, row.end, row.command) for row in batch.rows]


broken_rows = st.lists(
    st.sampled_from(["a", ",", '"', '""', "\r", "é", ";", '",', '," "']), min_size=1, max_size=12
)


@given(st.lists(broken_rows.map("".join), min_size=1, max_size=4), st.booleans(), st.sampled_from([",", "^"]))
@example(["\ra"], False, ",")
@example(['"a,\r"b'], True, ",")
def test_a_row_that_fails_again_is_unchanged_in_the_file_of_failures(
    soup: list[str], ignored: bool, delimiter: str
) -> None:
    content = "\n".join(["id,b,c", *soup, ""]).replace(",", delimiter).encode()
    once = failures(content, delimiter=delimiter, ignored=["id"] if ignored else [])
    assert without_failure_cells(failures(once), delimiter) == without_failure_cells(once, delimiter)


def failures(content: bytes, **options: Any) -> bytes:
    """Return the file of failures of a service that refuses every row."""
    lines = Lines(io.BytesIO(content))
    form = CsvRows(lines, **options)
    failed = [form.failed_row(row, row.error or 'no, "really"') for row in read_rows(form, lines)]
    return "\n".join([form.failures_header(), *failed, ""]).encode("utf-8", "surrogateescape")


def without_failure_cells(content: bytes, delimiter: str) -> list[list[str] | str]:
    """Return the cells of each row behind the first two, or the text if it is not CSV."""

    def cells(text: str) -> list[str] | str:
        try:
            return next(csv.reader([text], delimiter=delimiter, strict=True)) or [""]
        except csv.Error:
            return text

    one_cell = rf'(?:"(?:[^"]|"")*"|[^"{re.escape(delimiter)}]*){re.escape(delimiter)}'
    form = CsvRows(lines := Lines(io.BytesIO(content)))
    return [cells(re.sub(f"^{one_cell}{one_cell}", "", row.text)) for row in read_rows(form, lines)]


@given(st.lists(pieces, max_size=40))
def test_every_line_of_a_csv_is_read_once(soup: list[bytes]) -> None:
    """With any quotation marks, only empty lines and rows with only separators are skipped."""
    content = b"".join(soup)
    lines = Lines(io.BytesIO(b"a\n" + content))
    form = CsvRows(lines)
    records = list(form.records(lines))
    assert b"".join(line.raw for each in records for line in each.lines) == content
    assert all(each.is_row or not each.text.strip(",\r\n") for each in records)


@pytest.mark.parametrize("text", ["01", "+1", ".5", "1.", "1e", "NaN", "Infinity", "1 2", "\u0661", "1_0", "0x1"])
def test_only_numbers_of_json_are_numbers(text: str) -> None:
    content = f"n:number\n{text}\n".encode()
    form = CsvRows(Lines(io.BytesIO(content)))
    assert commands(form, content, number=1) == [None]


@given(values)
def test_json_keeps_every_value(value: Any) -> None:
    text = json_text.encode(value)
    assert sorted_text(json_text.decode(text)) == sorted_text(value)
    assert json.loads(text, parse_float=Decimal) == json.loads(
        json_text.encode(json_text.decode(text)), parse_float=Decimal
    )


@pytest.mark.parametrize(
    "value", [float("nan"), Decimal("Infinity"), [Decimal("NaN")], {1: Decimal("0.1")}, {"a": {2}}, b""]
)
def test_a_value_without_a_json_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|is not text"):
        json_text.encode(value)


def test_a_value_that_nests_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit()):
        deep = [deep]
    with pytest.raises(ValueError, match="too deeply"):
        json_text.encode(deep)


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.5E-99999999999999999999", "9" * 5000])
def test_a_number_that_python_cannot_hold_makes_its_row_unreadable(number: str) -> None:
    content = f'name,n:number,j:json\nA,1,1\nB,{number},1\nC,1,"[{number}]"\n'.encode()
    lines = Lines(io.BytesIO(content))
    good, *broken = read_rows(CsvRows(lines), lines)
    assert good.command is not None
    assert [(row.line, row.command, (row.error or "")[:3]) for row in broken] == [
        (3, None, "n: "),
        (4, None, "j: "),
    ]
    lines = Lines(io.BytesIO(f'{{"n": {number}}}\n'.encode()))
    (row,) = read_rows(JsonLines(lines, commands=False), lines)
    assert (row.command, (row.error or "")[:8]) == (None, "not JSON")


def test_an_unclosed_quotation_mark_takes_linear_time() -> None:
    lines = Lines(io.BytesIO(b'a\n"x\n' + b"y\n" * 60_000))
    form = CsvRows(lines)
    began = time.process_time()
    rows = list(read_rows(form, lines))
    assert time.process_time() - began < 5  # each line against all before it takes a minute
    assert len(rows) == 60_001
    assert [row.error is None for row in rows[:2]] == [False, True]


def test_the_digest_covers_all_of_a_line_that_is_too_long() -> None:
    def digest(content: bytes) -> str:
        lines = Lines(io.BytesIO(content))
        (batch,) = split_into_batches(JsonLines(lines, commands=False), lines, number=0, max_rows=5)
        return batch.sha256

    long = b"x" * (MAX_LINE_BYTES + 100_000)
    assert digest(long + b"a\n") != digest(long + b"b\n")
    assert digest(long + b"a\n") == digest(long + b"a\n")
