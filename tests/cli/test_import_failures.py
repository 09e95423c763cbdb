"""The file of failures: imported again as it is, without options, and gone when there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
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


def test_a_type_of_an_option_stands_before_that_of_the_header(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\n")
    jobpipe("import", "a.csv", "--boolean", "n")
    assert Path("a.failed.csv").read_text().startswith("jobpipe:line,jobpipe:error,name,description,n:boolean\n")


def test_cells_stay_below_their_columns(jobpipe: Jobpipe, service: Service) -> None:
    """A row with too few cells must not become one that is whole, with each cell one column too far left."""
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
def test_that_of_an_earlier_import_does_not_outlive_a_restart_without_failures(
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


def test_what_is_no_file_of_failures_or_is_being_imported_stays(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description\nA,d\n")
    Path("a.failed.csv").write_text("mine\n")
    jobpipe.does("import", "a.csv")
    assert Path("a.failed.csv").read_text() == "mine\n"
    text = "jobpipe:line,jobpipe:error,name,description\n2,e,B,d\n"
    Path("a.failed.csv").write_text(text)
    jobpipe.does("import", "a.failed.csv", "--failures", "a.failed.csv")
    assert Path("a.failed.csv").read_text() == text
