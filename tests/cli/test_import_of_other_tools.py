"""Files as other tools write them: they are read if possible, and otherwise reported with a remedy."""

from __future__ import annotations

import codecs
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe_client.cli.importing.reading.csv_rows import CsvRows
from jobpipe_client.cli.importing.reading.rows import read_rows
from jobpipe_client.cli.importing.reading.source import Lines
from tests.cli.conftest import Jobpipe
from tests.client.service import Service


def fields(service: Service) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if name != "id"} for each in service.items.values()]


def imported(jobpipe: Jobpipe, service: Service, text: str, *options: str) -> list[dict[str, Any]]:
    Path("a.csv").write_bytes(text.encode())
    jobpipe.does("import", "a.csv", *options)
    return sorted(fields(service), key=lambda each: str(each["name"]))


def test_truth_values_of_postgresql(jobpipe: Jobpipe, service: Service) -> None:
    text = "name,description,a\nA,d,t\nB,d,f\nC,d,\nD,d,Y\nE,d,n\n"
    found = imported(jobpipe, service, text, "--boolean", "a")
    assert [each.get("a") for each in found] == [True, False, None, True, False]


@pytest.mark.parametrize("first", ["", '""'])
def test_a_column_without_a_name_can_be_ignored(jobpipe: Jobpipe, service: Service, first: str) -> None:
    """The index of pandas and the row names of R are such columns."""
    text = f"{first},name,description\n1,A,d\n2,B,d\n"
    Path("a.csv").write_text(text)
    message = jobpipe.fails(1, "import", "a.csv", "--dry-run")
    assert "column 1 of the header has no name: --ignore '' leaves it out" in message
    assert "pandas: index=False; R: row.names=FALSE" in message
    found = imported(jobpipe, service, text, "--ignore", "")
    assert found == [{"name": "A", "description": "d"}, {"name": "B", "description": "d"}]


def test_several_columns_without_a_name_are_left_out_of_the_failures_too(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text(",name,description,n:number,\n7,A,d,x,\n")
    assert jobpipe("import", "a.csv", "--ignore", "").exit_code == 3
    assert (
        Path("a.failed.csv").read_text().splitlines()[0] == "jobpipe:line,jobpipe:error,name,description,n:number"
    )
    assert Path("a.failed.csv").read_text().splitlines()[1].endswith(",A,d,x")


def test_an_empty_cell_in_quotation_marks_is_the_empty_text(jobpipe: Jobpipe, service: Service) -> None:
    """DuckDB, PostgreSQL and R quote the empty text and leave a cell empty where there is no value."""
    text = 'name,description,note,n:number\nA,"","a ""b""\nc",""\nB,d,,\nC,"","",1\n'
    assert imported(jobpipe, service, text) == [
        {"name": "A", "description": "", "note": 'a "b"\nc'},
        {"name": "B", "description": "d"},
        {"name": "C", "description": "", "note": "", "n": 1},
    ]


def test_cells_that_mean_a_missing_value(jobpipe: Jobpipe, service: Service) -> None:
    """The \\N of ClickHouse and PostgreSQL and the NA of R are compared as written, so quoted ones are texts."""
    text = 'name,description,n:number,t\nA,"NA",\\N,"\\N"\nB,d,NA,NA\nC,d,1,"say ""NA"""\nD,d,,""\n'
    assert imported(jobpipe, service, text, "--null", "\\N", "--null", "NA", "--null", '""') == [
        {"name": "A", "description": "NA", "t": "\\N"},
        {"name": "B", "description": "d"},
        {"name": "C", "description": "d", "n": 1, "t": 'say "NA"'},
        {"name": "D", "description": "d"},
    ]


def test_rows_with_only_separators_are_ignored(jobpipe: Jobpipe, service: Service) -> None:
    text = "name,description,n:number\r\nA,d,1\r\n,,\r\n,,\r\nB,d,2\r\n,\r\n,,,\r\n"
    Path("a.csv").write_bytes(text.encode())
    assert "2 rows: 2 succeeded, 0 failed" in jobpipe.does("import", "a.csv")
    assert [each["name"] for each in fields(service)] == ["A", "B"]


def test_a_row_of_empty_texts_is_a_row(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text('name,description\n"",""\n')
    done = jobpipe("import", "a.csv", "--dry-run")
    assert "line 2: 400 invalid-request: #/name: The name must not be blank." in done.stdout


@pytest.mark.parametrize("form", [("--dry-run",), ()])
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name;description;x", "Its columns are separated by ';': use --delimiter ';'"),
        ("name\tdescription", "Its columns are separated by '\\t': use --delimiter '\\t'"),
        ("name|description", "use --delimiter '|'"),
        ("Name;Description", "use --delimiter ';'"),
        ("sep=;\r\nname;description", "remove that line, and use --delimiter ';'"),
        ("sep=,\r\nname,description", "remove that line, and use --delimiter ','"),
        ("Name,Description", "no column 'name', but 'Name': field names are in lower case"),
        ("name, description", "no column 'description', but ' description': remove the blanks from"),
        ("a,b", "no column 'name' (CSV begins with a header; this one has 'a', 'b')"),
        ("number,total", "; for documents of a collection of your own, --collection names it"),
        (
            "name,descripton",
            "no column 'description', but 'descripton': if description is meant, change the header",
        ),
        ("name:number,description", "the name must be text, but its column is a number"),
        ("name,description:boolean", "the description must be text, but its column is a boolean"),
    ],
)
def test_a_header_below_which_no_row_can_be_an_item_is_reported_first(
    jobpipe: Jobpipe, service: Service, header: str, message: str, form: tuple[str, ...]
) -> None:
    Path("a.csv").write_text(f"{header}\r\nA,d\r\n")
    found = jobpipe.fails(1, "import", "a.csv", *form)
    assert "no row can be an item" in found
    assert message in found
    assert service.seen == []
    assert not Path("a.csv.jobpipe-import").exists()


def test_a_quoted_header_with_another_separator_is_reported_first(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text('"name";"description"\n"A";"d"\n')
    message = jobpipe.fails(1, "import", "a.csv", "--dry-run")
    assert (
        "the header cannot be read: not CSV: a cell continues after its closing quotation mark. Its columns"
        in message
    )
    assert message.endswith("use --delimiter ';'")


def test_leaving_out_a_needed_column_is_reported_first(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description\nA,d\n")
    assert "--ignore leaves it out" in jobpipe.fails(1, "import", "a.csv", "--ignore", "name")


TEXTS = {"a.csv": "name,description\r\nA,x\r\n", "a.jsonl": '{"name": "A",\t"description": "x"}\n'}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_recognized(jobpipe: Jobpipe, name: str, encoding: str) -> None:
    Path(name).write_bytes(TEXTS[name].encode(encoding))
    message = jobpipe.fails(1, "import", name, "--dry-run")
    assert f"the file is not UTF-8 but {encoding[:6].upper()}" in message
    assert "iconv -f " in message


@pytest.mark.parametrize("name", TEXTS)
def test_lines_that_end_with_cr_alone_are_recognized(jobpipe: Jobpipe, name: str) -> None:
    Path(name).write_text((TEXTS[name] * 2).replace("\r\n", "\r").replace("\n", "\r"))
    message = jobpipe.fails(1, "import", name, "--dry-run")
    assert "its lines end with CR alone" in message
    assert "tr '\\r' '\\n'" in message


def test_a_carriage_return_within_a_line_is_allowed(jobpipe: Jobpipe, service: Service) -> None:
    """It is white space in JSON, and text in a quoted cell."""
    Path("a.jsonl").write_bytes(b'{"name":\r"A", "description": "d"}\r\n')
    jobpipe.does("import", "a.jsonl")
    Path("a.csv").write_bytes(b'name,description,"x\ry"\nB,d,e\n')
    jobpipe.does("import", "a.csv")
    assert [each["name"] for each in fields(service)] == ["A", "B"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_byte_order_mark_is_ignored_at_the_beginning_of_a_file_only(
    jobpipe: Jobpipe, service: Service, name: str
) -> None:
    mark, text = codecs.BOM_UTF8, TEXTS[name].encode()
    Path(name).write_bytes(mark + text)
    jobpipe.does("import", name)
    assert fields(service) == [{"name": "A", "description": "x"}]
    header, row = (b"", text) if name == "a.jsonl" else (b"name,description\n", b"A,x\n")
    Path(name).write_bytes(header + row.replace(b"A", b"B") + mark + row.replace(b"A", b"C"))
    done = jobpipe("import", name, "--dry-run")
    assert done.exit_code == 3
    why = "a byte order mark may only be at the beginning" if name == "a.jsonl" else "invisible character U+FEFF"
    assert why in done.stdout


def test_text_that_is_not_json_is_reported_with_its_place_and_text(jobpipe: Jobpipe) -> None:
    good = '{"name": "A", "description": "d"}\n'
    Path("a.jsonl").write_text(good + '{"name": "B", "description": "d", "v": 0xff}\n{"v": .5}\n  {"v": 1_0}\n')
    done = jobpipe("import", "a.jsonl", "--dry-run")
    assert done.stdout.splitlines()[2:] == [
        "line 2: not JSON at column 41: expecting ',' delimiter, in '\"d\", \"v\": 0xff}'",
        "line 3: not JSON at column 7: expecting value, in '{\"v\": .5}'",
        "line 4: not JSON at column 10: expecting ',' delimiter, in '{\"v\": 1_0}'",
    ]
    Path("a.csv").write_text("name,description,tags:json\nA,d,\"['12']\"\n")
    assert (
        "line 2: tags: not JSON at character 2: expecting value, in \"['12']\""
        in jobpipe("import", "a.csv", "--dry-run").stdout
    )


def test_columns_that_look_typed_and_are_read_as_text_are_reported_once(jobpipe: Jobpipe, service: Service) -> None:
    head = "name,description,price,zip,ok,tags,empty,x:text,typed:number\n"
    rows = "".join(f'1{n},7,{n}.5,0{n},true,"[{n}]",,1,1\n' for n in range(100))
    Path("a.csv").write_text(f"{head}{rows}later,7,x,x,x,x,x,x,1\n")  # only the first hundred rows are examined
    for options in (("--dry-run",), ("--batch-size", "7")):
        done = jobpipe("import", "a.csv", *options)
        assert done.exit_code == 0
        assert done.stderr.splitlines() == [
            (
                "read as text: price, ok, tags; to convert the values, use "
                "--number price --boolean ok --json-column tags"
            )
        ]
    assert service.items
    again = jobpipe("import", "a.csv", "--restart", "--number", "price", "--boolean", "ok", "--batch-size", "7")
    assert again.stderr.splitlines() == ["read as text: tags; to convert the values, use --json-column tags"]


def test_a_column_that_mostly_looks_like_numbers_is_reported_with_a_cell_that_does_not(jobpipe: Jobpipe) -> None:
    rows = [f"A{n},d,{n},{'yes' if n % 2 else 'no'},{n if n % 2 else 'x'}\n" for n in range(60)]
    rows[31] = "A31,d,abc,yes,1\n"
    Path("a.csv").write_text("name,description,price,active,mixed\n" + "".join(rows))
    assert jobpipe("import", "a.csv", "--dry-run").stderr.splitlines() == [
        ("read as text: price (except 'abc'), active; to convert the values, use --number price --boolean active")
    ]


@pytest.mark.parametrize("cell", ["0,5", "1.234,50", "-12,00", "1,234"])
def test_numbers_with_a_comma_are_reported(jobpipe: Jobpipe, cell: str) -> None:
    Path("a.csv").write_text(f"name;description;price;note\nA;d;{cell};one, two\nB;d;{cell};3, 4\n")
    assert jobpipe("import", "a.csv", "--dry-run", "--delimiter", ";").stderr.splitlines() == [
        f"read as text: price; a number has a point and no comma, and {cell!r} has a comma"
    ]


def test_cells_that_stand_for_missing_values_do_not_hide_the_kind_of_a_column(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,price\nA,d,NA\nB,d,1.5\n")
    done = jobpipe("import", "a.csv", "--dry-run", "--null", "NA")
    assert done.stderr.splitlines() == ["read as text: price; to convert the values, use --number price"]
    assert jobpipe("import", "a.csv", "--dry-run").stderr == ""


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=6)
cells |= st.sampled_from(["", '"', '""', "a,b", "a;b", "\\N", "NA", " ", "a\nb", '"x"', "'", "\ufeff"])


@given(
    st.lists(st.tuples(cells, cells, cells), max_size=5),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_every_dialect_of_csv_is_read_without_loss(
    rows: list[tuple[str, str, str]], delimiter: str, end: str, is_quoted: bool, mark: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_MINIMAL)
    if is_quoted:
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    content = (codecs.BOM_UTF8 if mark else b"") + out.getvalue().encode()
    form = CsvRows(lines := Lines(io.BytesIO(content)), delimiter=delimiter)
    found = [row.command and row.command["item"] for row in read_rows(form, lines)]
    # The empty text can be distinguished from a missing value only if every cell is quoted.
    expected = [
        {name: cell for name, cell in zip("abc", row, strict=True) if cell != "" or is_quoted}
        for row in rows
        if is_quoted or any(row)
    ]
    assert found == expected


@given(st.lists(st.tuples(cells, cells.map(lambda cell: cell or None)), max_size=5), st.sampled_from([",", ";"]))
def test_quoted_and_unquoted_cells_are_distinguished(rows: list[tuple[str, str | None]], delimiter: str) -> None:
    """PostgreSQL, DuckDB and R write every text in quotation marks, and missing values without."""

    def quoted(cell: str | None) -> str:
        return "NA" if cell is None else '"' + cell.replace('"', '""') + '"'

    text = "".join(f"{delimiter.join(map(quoted, row))}\n" for row in rows)
    form = CsvRows(
        lines := Lines(io.BytesIO(f"a{delimiter}b\n{text}".encode())), delimiter=delimiter, nulls=["NA", "\\N"]
    )
    found = [row.command and row.command["item"] for row in read_rows(form, lines)]
    assert found == [{"a": a} if b is None else {"a": a, "b": b} for a, b in rows]


def test_null_is_for_csv(jobpipe: Jobpipe) -> None:
    Path("a.jsonl").write_text(json.dumps({"name": "A", "description": "d"}))
    assert "--null is for CSV" in jobpipe.fails(2, "import", "a.jsonl", "--null", "NA")
