"""The file of failures can be imported without options, and is deleted if there are no failures."""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.importing import write
from tests.client.batches import NotTaken
from tests.client.batches import problem as service_problem
from tests.client.service import Service


def fields(service: Service) -> list[dict[str, object]]:
    return [{name: value for name, value in each.items() if name != "id"} for each in service.items.values()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", ":"])
def test_it_is_imported_without_the_options_of_the_first_time(
    jobpipe: Jobpipe, service: Service, delimiter: str
) -> None:
    rows = [
        ["id", "name", "description", "price", "active:boolean", "tags", '"x:json:text"'],
        ["7", "A", "two words", "x", "yes", "[1]", "{"],
    ]
    rows[0][4] = f'"{rows[0][4]}"'
    Path("a.csv").write_text("".join(delimiter.join(row) + "\n" for row in rows))
    options = ("--number", "price", "--json-column", "tags", "--ignore", "id", "--delimiter", delimiter)
    assert jobpipe("import", "a.csv", *options).exit_code == 3
    failed = Path("a.failed.csv")
    failed.write_text(failed.read_text().replace(f"words{delimiter}x", f"words{delimiter}1.5"))
    jobpipe.does("import", "a.failed.csv")
    item = {"name": "A", "description": "two words", "price": 1.5, "active": True, "tags": [1], "x:json": "{"}
    assert fields(service) == [item]


def test_a_folder_of_its_name_is_an_error_before_anything_is_sent(jobpipe: Jobpipe, service: Service) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\nB,d,1\n")
    Path("folder").mkdir()
    Path("a.failed.csv").mkdir()
    for arguments in (
        ("a.csv",),
        ("a.csv", "--failures", "folder"),
        ("a.csv", "--failures", "folder", "--dry-run"),
    ):
        assert "is a folder" in jobpipe.fails(1, "import", *arguments)
    assert service.items == {}


@pytest.mark.parametrize("before", [None, "other rows\n"], ids=["dangling", "another-file"])
def test_a_symbolic_link_of_its_name_stays(jobpipe: Jobpipe, before: str | None) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\n")
    kept = Path("kept")
    kept.mkdir()
    if before is not None:
        (kept / "rows.csv").write_text(before)
    Path("a.failed.csv").symlink_to("kept/rows.csv")
    for _ in range(2):
        assert jobpipe("import", "a.csv", "--restart").exit_code == 3
    assert Path("a.failed.csv").readlink() == Path("kept/rows.csv")
    written = kept / ("rows.csv" if before is None else "rows-2.csv")
    assert sorted(kept.iterdir()) == sorted({kept / "rows.csv", written})
    assert "jobpipe:error" in written.read_text()
    assert before is None or (kept / "rows.csv").read_text() == before
    Path("a.csv").write_text("name,description,n:number\nA,d,1\n")
    jobpipe.does("import", "a.csv", "--restart")
    assert not written.exists(), "there is no failure any more"


def test_a_kind_in_an_option_takes_precedence_over_the_header(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\n")
    jobpipe("import", "a.csv", "--boolean", "n")
    assert Path("a.failed.csv").read_text().startswith("jobpipe:line,jobpipe:error,name,description,n:boolean\n")


def test_cells_stay_below_their_columns(jobpipe: Jobpipe, service: Service) -> None:
    """A row with too few cells must not become a complete row whose cells are in other columns."""
    Path("a.csv").write_text("id,name,description\n1,Tent\n2,Stove,d,more\n")
    assert jobpipe("import", "a.csv", "--ignore", "id").exit_code == 3
    assert Path("a.failed.csv").read_text().splitlines() == [
        "jobpipe:line,jobpipe:error,name,description",
        '2,"2 cells, where the header has 3",Tent',
        '3,"4 cells, where the header has 3",Stove,d,more',
    ]
    assert jobpipe("import", "a.failed.csv").exit_code == 3
    assert service.items == {}


@pytest.mark.parametrize(("name", "bad", "good"), [("a.csv", "A,x", "A,1"), ("a.jsonl", "{", "{}")])
def test_a_restart_without_failures_deletes_the_file_of_an_earlier_import(
    jobpipe: Jobpipe, name: str, bad: str, good: str
) -> None:
    def write(row: str) -> None:
        whole = '{"name": "A", "description": "d"}' if row == "{}" else row
        Path(name).write_text(f"name,n:number,description\n{whole},d\n" if name == "a.csv" else f"{whole}\n")

    failed = Path(name.replace(".", ".failed."))
    write(bad)
    assert jobpipe("import", name).exit_code == 3
    assert failed.exists()
    write(good)
    jobpipe.does("import", name, "--restart")
    assert not failed.exists()


def test_other_files_and_the_imported_file_are_not_deleted(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description\nA,d\n")
    Path("a.failed.csv").write_text("mine\n")
    jobpipe.does("import", "a.csv")
    assert Path("a.failed.csv").read_text() == "mine\n"
    text = "jobpipe:line,jobpipe:error,name,description\n2,e,B,d\n"
    Path("a.failed.csv").write_text(text)
    jobpipe.does("import", "a.failed.csv", "--failures", "a.failed.csv")
    assert Path("a.failed.csv").read_text() == text


def test_the_error_is_quoted_whatever_it_says(jobpipe: Jobpipe) -> None:
    """Otherwise tools that guess the separator would take its blanks for one."""
    rows = "".join(f"A{n},d,{value}\n" for n, value in enumerate(("abc", "n/a", "1.2.3", '"a ""b"""')))
    Path("a.csv").write_text(f"name,description,price:number\n{rows}")
    assert jobpipe("import", "a.csv").exit_code == 3
    text = Path("a.failed.csv").read_text()
    assert csv.Sniffer().sniff(text).delimiter == ","
    header, *found = csv.reader(text.splitlines())
    assert [dict(zip(header, row, strict=True))["jobpipe:error"] for row in found] == [
        "price: 'abc' is not a number",
        "price: 'n/a' is not a number",
        "price: '1.2.3' is not a number",
        "price: 'a \"b\"' is not a number",
    ]
    assert all('",A' in line for line in text.splitlines()[1:])


def test_every_invalid_cell_is_reported(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,n:number,b:boolean,j:json\nA,d,x,maybe,{\nB,d,1,t,{}\n")
    done = jobpipe("import", "a.csv")
    expected = (
        "n: 'x' is not a number; b: 'maybe' is neither true nor false; "
        "j: not JSON at character 2: expecting property name enclosed in double quotes, in '{'"
    )
    assert f"line 2: {expected}" in done.stdout
    assert f'2,"{expected}",A,d,' in Path("a.failed.csv").read_text()


def test_every_violation_from_the_service_is_reported(jobpipe: Jobpipe, service: Service) -> None:
    """This holds for a batch that was refused as a whole, and for an entry of an accepted one."""
    wrong = [("name", "The name must not be blank."), ("price", "The number is too long."), ("t", "NUL")]

    def violations(place: int) -> list[dict[str, str]]:
        return [{"pointer": f"#/commands/{place}/item/{name}", "detail": detail} for name, detail in wrong]

    take = service.batches.submit

    def submit(body: bytes, key: str | None) -> Any:
        names = [each["item"]["name"] for each in json.loads(body)["commands"]]
        if names == ["A", "B"]:
            raise NotTaken(400, "invalid-request", "None is valid.", violations(0) + violations(1))
        batch = take(body, key)
        place = names.index("C")
        batch["entries"][place] = {
            "problem": service_problem(400, "invalid-request", "first", errors=violations(place))
        }
        return batch

    service.batches.submit = submit  # type: ignore[method-assign] # a service that reports all violations
    rows = [{"name": name, "description": "d"} for name in "ABCD"]
    Path("a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    expected = "400 invalid-request: " + "; ".join(f"#/{name}: {detail}" for name, detail in wrong)
    done = jobpipe("import", "a.jsonl", "--batch-size", "2", "--json")
    result = json.loads(done.stdout)
    assert [(each["line"], each["error"]) for each in result["first_failures"]] == [
        (n, expected) for n in (1, 2, 3)
    ]
    failed = list(map(json.loads, Path("a.failed.jsonl").read_text().splitlines()))
    assert [each["jobpipe:error"] for each in failed] == [expected] * 3


def test_rows_that_fail_again_keep_the_line_of_the_first_file(jobpipe: Jobpipe, service: Service) -> None:
    good = "".join(f"N{n},d,1\n" for n in range(5))
    Path("a.csv").write_text(f'name,description,n:number\n{good}A,d,x\n{good.replace("N", "M")}B,"d,x\n')
    path, lines = Path("a.csv"), [7, 13]
    for _ in range(3):
        result = json.loads(jobpipe("import", str(path), "--json").stdout)
        assert [each["line"] for each in result["first_failures"]] == lines
        path = path.with_name(f"{path.stem}.failed.csv")
        rows = path.read_text().splitlines()
        assert [row.partition(",")[0] for row in rows[1:]] == ["7", "13"]
        # Rows in another order, with new rows between them, keep their lines too.
    path.write_text("\n".join([rows[0], rows[2], ",,C,d,y", rows[1], ""]))
    result = json.loads(jobpipe("import", str(path), "--json").stdout)
    assert [each["line"] for each in result["first_failures"]] == [13, 3, 7]


def test_lines_of_json_that_fail_again_keep_their_line_too(jobpipe: Jobpipe) -> None:
    good = "".join(f'{{"name": "N{n}", "description": "d"}}\n' for n in range(5))
    Path("a.jsonl").write_text(good + '{"name": "A"}\n' + good.replace("N", "M") + '{"name": "B"\n')
    path = Path("a.jsonl")
    for _ in range(3):
        result = json.loads(jobpipe("import", str(path), "--batch-size", "1", "--json").stdout)
        assert [each["line"] for each in result["first_failures"]] == [6, 12]
        path = path.with_name(f"{path.stem}.failed.jsonl")
        assert [json.loads(line)["jobpipe:line"] for line in path.read_text().splitlines()[:2]] == [6, 12]
        assert path.read_text().splitlines()[2:] == ['{"name": "B"']
    path.write_text(path.read_text() + '{"name": "C"}\n')  # a new row has its own line
    result = json.loads(jobpipe("import", str(path), "--json").stdout)
    assert [each["line"] for each in result["first_failures"]] == [6, 12, 4]


@pytest.mark.parametrize("ignored", [(), ("--ignore", "")])
def test_missing_values_and_empty_texts_are_unchanged_in_the_failures(
    jobpipe: Jobpipe, service: Service, ignored: tuple[str, ...]
) -> None:
    """A file of failures is imported without --null, and its rows may fail again."""
    text = (
        'id:text,name,description,missing,text,empty,quoted,n:number\n1,A,d,NA,"NA","","",x\n2,"B\nb",,\\N,,d,,\n'
    )
    Path("a.csv").write_text(text.replace("id:text,", ",", 1) if ignored else text)
    options = ("--null", "NA", "--null", "\\N", *ignored)
    assert jobpipe("import", "a.csv", *options).exit_code == 3
    assert jobpipe("import", "a.failed.csv").exit_code == 3
    again = Path("a.failed.failed.csv")
    again.write_text(again.read_text().replace(",x\n", ",1\n").replace('b",,', 'b",e,'))
    jobpipe.does("import", str(again))
    assert sorted(fields(service), key=lambda each: str(each["name"])) == [
        {"name": "A", "description": "d", "text": "NA", "empty": "", "quoted": "", "n": 1},
        {"name": "B\nb", "description": "e", "empty": "d"},
    ]


def test_a_quoted_cell_that_null_names_is_empty_in_the_failures(jobpipe: Jobpipe, service: Service) -> None:
    Path("a.csv").write_text('"name","description","note","n:number"\n"A","d","","x"\n')
    assert jobpipe("import", "a.csv", "--null", '""').exit_code == 3
    failed = Path("a.failed.csv")
    failed.write_text(failed.read_text().replace('"x"', "1"))
    jobpipe.does("import", str(failed))
    assert [each.get("note") for each in service.items.values()] == [None]


def test_an_unwritable_file_of_failures_is_reported_before_anything_is_sent(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "name,description\nA,d\nB\n"
    write("a.csv", text)
    assert "none is not a folder" in jobpipe.fails(1, "import", "a.csv", "--failures", "none/f.csv")
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
    assert "2 rows: 1 succeeded, 0 failed, 1 refused" in done.stdout
    assert "line 3: 1 cells, where the header has 2" in done.stdout
    assert done.stderr.endswith("jobpipe: import.failed.csv: No space left on device\n")
