"""`jobpipe import` on the service in memory: what becomes of each row."""

from __future__ import annotations

import csv
import errno
import json
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Jobpipe
from tests.client.batches import Batches
from tests.client.service import Canned, Service, problem


def write(path: str, text: str | bytes) -> str:
    Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(*documents: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "d", **more}


def fields(service: Service) -> list[dict[str, Any]]:
    """Return all items without their ids, sorted by name."""
    found = sorted(service.items.values(), key=lambda each: str(each["name"]))
    return [{name: value for name, value in each.items() if name != "id"} for each in found]


def report(jobpipe: Jobpipe, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = jobpipe("import", *arguments, "--json")
    return done.exit_code, json.loads(done.stdout)


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
    assert (result["succeeded"], result["failed"], result["reasons"]) == (2, 7, {"unreadable": 7})
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


def test_failed_rows_can_be_repaired_and_imported(jobpipe: Jobpipe, service: Service) -> None:
    write("a.csv", 'name,description,price:number\nA,"d\nd",1\nA,d,2\nB,d,x\nC\n')
    status, result = report(jobpipe, "a.csv")
    assert (status, result["failures"]) == (3, "a.failed.csv")
    assert result["reasons"] == {"name-taken": 1, "unreadable": 2}
    rows = list(csv.reader(Path("a.failed.csv").read_text().splitlines()))
    # Two rows have the name, and either may come first.
    assert [row[0] for row in rows[1:]] in (["4", "5", "6"], ["2", "5", "6"])
    failed = Path("a.failed.csv").read_text()
    failed = failed.replace(",A,", ",A2,").replace(",B,d,x", ",B,d,3").replace(",C\n", ",C,d,4\n")
    Path("a.failed.csv").write_text(failed)
    assert "3 rows: 3 succeeded, 0 failed" in jobpipe.does("import", "a.failed.csv")
    assert [each["name"] for each in fields(service)] == ["A", "A2", "B", "C"]
    assert all(not name.startswith("jobpipe:") for each in service.items.values() for name in each)


def test_a_row_that_failed_twice_has_one_error(jobpipe: Jobpipe) -> None:
    write("a.csv", "name,description,n:number\nA,d,x\n")
    report(jobpipe, "a.csv")
    report(jobpipe, "a.failed.csv")
    assert Path("a.failed.failed.csv").read_text().splitlines() == [
        "jobpipe:line,jobpipe:error,name,description,n:number",
        "2,\"n: 'x' is not a number\",A,d,x",
    ]


def test_an_unclosed_quotation_mark_can_be_repaired_after_any_number_of_failures(
    jobpipe: Jobpipe, service: Service
) -> None:
    write("a.csv", 'id,name,description\n7,A,"For\n8,B,d\n')
    report(jobpipe, "a.csv", "--ignore", "id")
    for name in ("a.failed.csv", "a.failed.failed.csv"):
        header, row = Path(name).read_text().splitlines()
        assert header == "jobpipe:line,jobpipe:error,name,description"
        assert row.startswith('2,"not CSV: a quotation mark is not closed",')
        assert row.endswith(',A,"For')
        assert report(jobpipe, name)[0] == 3
    last = Path("a.failed.failed.failed.csv")
    last.write_text(last.read_text().replace('"For', '"For"'))
    assert "1 succeeded" in jobpipe.does("import", str(last))
    assert fields(service) == [item("A", description="For"), item("B")]


def test_ignored_members_are_left_out_of_the_failures_too(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines({"id": "7", **item("A")}, {"id": "8", **item("A")}))
    assert report(jobpipe, "a.jsonl", "--ignore", "id")[0] == 3
    failed = Path("a.failed.jsonl").read_text()
    assert '"id"' not in failed
    Path("a.failed.jsonl").write_text(failed.replace('"A"', '"B"'))
    jobpipe.does("import", "a.failed.jsonl")
    assert fields(service) == [item("A"), item("B")]


def test_failed_lines_of_json_are_imported_after_their_repair(jobpipe: Jobpipe, service: Service) -> None:
    n = "0.12345678901234567890123"
    write("a.jsonl", f'{{"name": "A", "n": {n}, "s": "\\ud800"}}\n{{"name": "B", "description"}}\n{{}}\n')
    status, result = report(jobpipe, "a.jsonl")
    assert (status, result["failed"]) == (3, 3)
    refused, why, broken, empty = Path("a.failed.jsonl").read_text().splitlines()
    assert refused.startswith('{"jobpipe:line":1,"jobpipe:error":"')
    assert f'"n":{n},"s":"\\ud800"' in refused
    assert json.loads(why).keys() == {"jobpipe:line", "jobpipe:error"}
    assert broken == '{"name": "B", "description"}'
    assert json.loads(empty).keys() == {"jobpipe:line", "jobpipe:error"}
    repaired = refused.replace('"name":"A"', '"name":"A","description":"d"').replace("\\ud800", "")
    write("a.failed.jsonl", f'{repaired}\n{why}\n{broken[:-1]}: "d"}}\n{empty}\n')
    assert "2 rows: 2 succeeded" in jobpipe.does("import", "a.failed.jsonl")
    assert [each["name"] for each in fields(service)] == ["A", "B"]


def test_commands_take_effect_in_the_files_order(jobpipe: Jobpipe, service: Service) -> None:
    service.items["i"] = {"id": "i", **item("I")}
    commands = [{"operation": "update", "item_id": "i", "merge": {"n": n, f"n{n}": n}} for n in range(300)]
    write("a.jsonl", lines(*commands, {"operation": "fly"}, {"operation": "delete", "item_id": "none"}))
    status, result = report(jobpipe, "a.jsonl", "--commands", "--batch-size", "7")
    assert (status, result["succeeded"]) == (3, 300)
    assert result["reasons"] == {"invalid-request": 1, "not-found": 1}
    assert result["first_failures"][0]["error"].startswith("400 invalid-request: #/operation")
    assert [command["merge"]["n"] for command in service.applied if "merge" in command] == list(range(300))


def test_a_finished_import_is_repeated_only_with_restart(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines(item("A")))
    jobpipe.does("import", "a.jsonl")
    seen = len(service.seen)
    again = jobpipe("import", "a.jsonl")
    assert again.exit_code == 0
    assert "was imported already" in again.stderr
    assert [request.method for request in service.seen[seen:]] == ["GET"], (
        "only to check that the stage knows the import"
    )
    status, result = report(jobpipe, "a.jsonl", "--restart")
    assert (status, result["reasons"]) == (3, {"name-taken": 1})


def test_a_finished_import_is_refused_if_the_stage_was_deployed_again(jobpipe: Jobpipe, service: Service) -> None:
    write("a.jsonl", lines(item("A")))
    jobpipe.does("import", "a.jsonl")
    service.items.clear()
    service.batches = Batches(lambda command, key: service.accept(command, key, None), service.jobs)
    assert "deployed anew" in jobpipe.fails(1, "import", "a.jsonl")
    journal = Path("a.jsonl.jobpipe-import")
    began = json.loads(journal.read_text().splitlines()[0])["began"]
    journal.write_text(journal.read_text().replace(began, "2020-01-01T00:00:00+00:00"))
    assert "1 succeeded" in jobpipe.does("import", "a.jsonl"), "after so long the service may have forgotten it"


@pytest.mark.parametrize("change", ["other content", "longer", "shorter", "same length"])
def test_a_file_that_has_changed_is_refused(jobpipe: Jobpipe, service: Service, change: str) -> None:
    text = lines(item("A"), item("B"))
    write("a.jsonl", text)
    jobpipe.does("import", "a.jsonl")
    changed = {
        "other content": lines(item("C")),
        "longer": text + lines(item("C")),
        "shorter": text[: len(text) // 2],
        "same length": text.replace("B", "C"),
    }[change]
    write("a.jsonl", changed)
    assert "has changed since" in jobpipe.fails(1, "import", "a.jsonl")
    assert [each["name"] for each in fields(service)] == ["A", "B"]


def test_an_import_continues_only_with_the_same_settings(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.csv", "name,description,n\nA,d,1\n")
    jobpipe.does("import", "a.csv")
    assert "was begun with columns {}" in jobpipe.fails(1, "import", "a.csv", "--number", "n")
    other = Service()
    try:
        monkeypatch.setenv("JOBPIPE_URL", other.url)
        assert "was begun with deployment" in jobpipe.fails(1, "import", "a.csv")
    finally:
        other.stop()


def test_an_import_continues_after_an_outage_has_ended_it(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.jsonl", lines(*(item(f"A{n}") for n in range(40))))
    service.batches.cannot_queue = lambda command: command["item"]["name"] == "A25"
    monkeypatch.setattr("jobpipe_client.many._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.transport._BACKOFF", lambda _: 0)
    assert "503 unavailable" in jobpipe.fails(1, "import", "a.jsonl", "--batch-size", "10")
    service.batches.cannot_queue = lambda _: False
    done = jobpipe("import", "a.jsonl", "--batch-size", "10")
    assert done.exit_code == 0, done.output
    assert "40 rows: 40 succeeded" in done.stdout
    assert sorted(each["name"] for each in fields(service)) == sorted(f"A{n}" for n in range(40))


def test_a_row_too_large_for_the_service_fails_alone(jobpipe: Jobpipe, service: Service) -> None:
    big = [item(f"B{n}", text="x" * 400_000) for n in range(4)]
    write("a.jsonl", lines(item("A"), item("Z", text="x" * 1_100_000), *big, item("C")))
    status, result = report(jobpipe, "a.jsonl")
    assert (status, result["reasons"], result["first_failures"][0]["line"]) == (3, {"too-large": 1}, 2)
    assert len(service.items) == 6


def test_a_pipe_is_imported_without_a_journal(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    done = jobpipe("import", "-", "--format", "csv", said="name,description\nA,d\nB\n")
    assert done.exit_code == 3
    assert "cannot be resumed" in done.stderr
    assert [each["name"] for each in fields(service)] == ["A"]
    assert [path.name for path in tmp_path.iterdir()] == ["import.failed.csv"]


def test_the_failures_of_a_named_pipe_are_in_the_current_folder(jobpipe: Jobpipe, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(lines(item("A"), {"name": "B"}).encode(),))
    writer.start()
    assert report(jobpipe, "pipe", "--format", "jsonl")[0] == 3
    writer.join()
    assert '"name":"B"' in Path("import.failed.jsonl").read_text()


def test_an_unwritable_file_of_failures_is_reported_before_anything_is_sent(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "name,description\nA,d\nB\n"
    write("a.csv", text)
    assert "none is no folder" in jobpipe.fails(1, "import", "a.csv", "--failures", "none/f.csv")
    with monkeypatch.context() as read_only:
        read_only.setattr(os, "access", lambda _, mode: mode != os.W_OK)
        assert "is read-only" in jobpipe.fails(1, "import", "a.csv")
        assert not service.items
        assert (
            jobpipe(
                "import", "-", "--format", "csv", "--failures", "/dev/null", said="name,description\n"
            ).exit_code
            == 0
        )

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "import.failed.csv")

    monkeypatch.setattr("jobpipe_client.cli.importing.command.write_failures", full)
    done = jobpipe("import", "-", "--format", "csv", said=text)
    assert done.exit_code == 1
    assert "2 rows: 1 succeeded, 1 failed" in done.stdout
    assert "line 3: 1 cells, where the header has 2" in done.stdout
    assert done.stderr.endswith("jobpipe: import.failed.csv: No space left on device\n")


def test_a_dry_run_sends_and_writes_nothing(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    write("a.csv", "name,description,n:number\nA,d,1\nB,d,x\n")
    done = jobpipe("import", "a.csv", "--dry-run")
    assert done.exit_code == 3
    assert "2 rows: 1 can be read, 1 failed" in done.stdout
    assert "line 3: n: 'x' is not a number" in done.stdout
    assert service.seen == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


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
    assert "is not the journal" in jobpipe.fails(1, "import", "a.jsonl")
    Path("a.jsonl.jobpipe-import").unlink()
    service.canned.append(Canned(403, {}, problem(403)))
    assert "the key is wrong" in jobpipe.fails(1, "import", "a.jsonl")
