"""`jobpipe import`: each row is imported or reported, and files that cannot be imported are refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.importing import fields, item, lines, report, write
from tests.client.service import Canned, Service
from tests.client.service_state import problem


def test_each_line_of_json_is_an_item(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines(item("A", tags=["x"]), item("B", price=1.5)) + "\n  \n" + lines(item("C")))
    assert "3 rows: 3 succeeded, 0 failed" in jobpipe.does("import", "a.jsonl")
    assert fields(service) == [item("A", tags=["x"]), item("B", price=1.5), item("C")]
    assert not Path("a.failed.jsonl").exists()


def test_columns_are_fields_as_their_types_say(jobpipe: Jobpipe, service: Service) -> None:
    text = (
        "\ufeffname,description,price:number,active,tags,note,a:b\r\n"
        'Tent,"For ""two"",\nwaterproof",12.95,yes,"[1, {""a"": null}]",,x\r\n'
        "Ümlaut,d,-0,FALSE,,007,\r\n"
    )
    write("a.csv", text)
    jobpipe.does("import", "a.csv", "--boolean", "active", "--json-column", "tags")
    assert fields(service) == [
        {
            "name": "Tent",
            "description": 'For "two",\nwaterproof',
            "price": 12.95,
            "active": True,
            "tags": [1, {"a": None}],
            "a:b": "x",
        },
        {"name": "Ümlaut", "description": "d", "price": 0, "active": False, "note": "007"},
    ]


@pytest.mark.parametrize(
    "number", ["0.1234567890123456789012345678901234", "1.50", "1E+5", "12345678901234567890123", "-0.0", "1e-130"]
)
def test_numbers_arrive_as_they_are(jobpipe: Jobpipe, service: Service, number: str) -> None:
    bodies: list[bytes] = []
    take = service.batches.submit

    def submit(body: bytes, key: str | None) -> Any:
        bodies.append(body)
        return take(body, key)

    service.batches.submit = submit  # type: ignore[method-assign] # the bytes are what counts here
    write("a.csv", f"name,description,n\nCsv,d,{number}\n")
    write("a.jsonl", f'{{"name": "Json", "description": "d", "n": {number}}}\n')
    jobpipe.does("import", "a.csv", "--number", "n")
    jobpipe.does("import", "a.jsonl")
    for body in bodies:
        (command,) = json.loads(body, parse_float=Decimal, parse_int=Decimal)["commands"]
        assert command["item"]["n"] == Decimal(number)


def test_unreadable_lines_are_reported_by_number_and_the_others_are_imported(
    jobpipe: Jobpipe, service: Service
) -> None:
    broken = [
        b'{"name": "no end"',
        b'{"name": "\xff"}',
        b"[1]",
        b'{"name": "n", "name": "n"}',
        b'{"n": NaN}',
        b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "' + b"x" * (2 * 1024 * 1024) + b'"}',
    ]
    good = lines(item("A")).encode(), lines(item("B")).encode()
    write("a.jsonl", good[0] + b"\n".join(broken) + b"\n" + good[1])
    status, result = report(jobpipe, "a.jsonl")
    assert status == 3
    assert (result["succeeded"], result["failed"], result["refused"]) == (2, 0, 7)
    assert result["reasons"] == {"unreadable": 7}
    assert [each["line"] for each in result["first_failures"]] == list(range(2, 9))
    assert fields(service) == [item("A"), item("B")]
    failed = Path("a.failed.jsonl").read_bytes()
    for line in broken[:5]:
        assert line + b"\n" in failed, "verbatim"


def test_unreadable_rows_of_a_csv_are_reported_and_the_others_are_imported(
    jobpipe: Jobpipe, service: Service
) -> None:
    text = (
        b"name,description,price:number,ok:boolean,j:json\n"
        b"A,d,1,1,1\n"
        b"too,few\n"
        b"too,many,1,1,1,1\n"
        b"n,d,1.x,1,1\n"
        b"n,d,1,maybe,1\n"
        b"n,d,1,1,{\n"
        b"n,\xff,1,1,1\n"
        b'"n"x,d,1,1,1\n'
        b'"not closed,d,1,1,1\n'
        b"B,d,2,0,{}\n"
    )
    write("a.csv", text)
    status, result = report(jobpipe, "a.csv")
    assert status == 3
    assert [each["line"] for each in result["first_failures"]] == list(range(3, 11))
    assert [each["name"] for each in fields(service)] == ["A", "B"]
    failed = Path("a.failed.csv").read_bytes().splitlines()
    assert failed[0] == b"jobpipe:line,jobpipe:error,name,description,price:number,ok:boolean,j:json"
    for before, after in zip(text.splitlines()[2:10], failed[1:], strict=True):
        assert after.endswith(b"," + before), "the cells are unchanged"


def test_commands_take_effect_in_the_files_order(jobpipe: Jobpipe, service: Service) -> None:
    service.items["i"] = {"id": "i", **item("I")}
    commands = [{"operation": "update", "item_id": "i", "merge": {"n": n, f"n{n}": n}} for n in range(300)]
    write("a.jsonl", lines(*commands, {"operation": "fly"}, {"operation": "delete", "item_id": "none"}))
    status, result = report(jobpipe, "a.jsonl", "--commands", "--batch-size", "7")
    assert (status, result["succeeded"]) == (3, 300)
    assert result["reasons"] == {"invalid-request": 1, "not-found": 1}
    assert result["first_failures"][0]["error"].startswith("400 invalid-request: #/operation")
    assert [command["merge"]["n"] for command in service.applied if "merge" in command] == list(range(300))


def test_a_row_too_large_for_the_service_fails_alone(jobpipe: Jobpipe, service: Service) -> None:
    big = [item(f"B{n}", text="x" * 400_000) for n in range(4)]
    write("a.jsonl", lines(item("A"), item("Z", text="x" * 1_100_000), *big, item("C")))
    status, result = report(jobpipe, "a.jsonl")
    assert (status, result["reasons"], result["first_failures"][0]["line"]) == (3, {"too-large": 1}, 2)
    assert len(service.items) == 6


def test_other_separators_and_ignored_columns(jobpipe: Jobpipe, service: Service) -> None:
    write("a.txt", "id\tname\tdescription\n1\tA\td,d\n")
    jobpipe.does("import", "a.txt", "--format", "csv", "--delimiter", "\\t", "--ignore", "id")
    assert fields(service) == [{"name": "A", "description": "d,d"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("name,description,a,a\n", "'a' twice"),
        ("name,description,,b\n", "column 3 of the header has no name: --ignore ''"),
        ('"a\n', "header cannot be read"),
        (b"name,gr\xf6\xdfe\n", "header cannot be read: not UTF-8"),
        ("name,description\n", "no column 'n'"),
    ],
)
def test_a_header_that_cannot_be_used_is_one_line(jobpipe: Jobpipe, text: str | bytes, message: str) -> None:
    write("a.csv", text)
    assert message in jobpipe.fails(1, "import", "a.csv", "--number", "n")


def test_a_column_without_a_name_can_only_be_ignored(jobpipe: Jobpipe) -> None:
    write("a.csv", "name,description,\n")
    assert "column 3 of the header has no name" in jobpipe.fails(1, "import", "a.csv", "--number", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.txt",),
        ("a.csv", "--commands"),
        ("a.jsonl", "--number", "n"),
        ("a.csv", "--delimiter", "ab"),
        ("a.csv", "--batch-size", "101"),
        (),
    ],
)
def test_mistakes_in_the_command_line_are_one_line(jobpipe: Jobpipe, arguments: tuple[str, ...]) -> None:
    jobpipe.fails(2, "import", *arguments)


def test_files_that_cannot_be_used_are_one_line(jobpipe: Jobpipe, service: Service) -> None:
    assert "No such file" in jobpipe.fails(1, "import", "none.csv")
    Path("folder.csv").mkdir()
    assert "is a folder" in jobpipe.fails(1, "import", "folder.csv")
    write("a.jsonl", lines(item("A")))
    write("a.jsonl.jobpipe-import", "something else\n")
    assert "or not the journal" in jobpipe.fails(1, "import", "a.jsonl")
    Path("a.jsonl.jobpipe-import").unlink()
    service.canned.append(Canned(403, {}, problem(403)))
    assert "the key is wrong" in jobpipe.fails(1, "import", "a.jsonl")
