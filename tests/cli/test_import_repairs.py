"""Rows that failed can be repaired in the file of failures, which is then imported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.importing import fields, item, lines, report, write
from tests.client.service import Service


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
    assert (status, result["failed"], result["refused"]) == (3, 0, 3)
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


def test_a_file_of_failures_that_was_changed_is_not_overwritten(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\nB,d,2\n")
    assert "they are in a.failed.csv: repair" in jobpipe("import", "a.csv").stdout
    first = Path("a.failed.csv").read_text()
    done = jobpipe("import", "a.csv", "--restart")
    assert done.exit_code == 3, "B exists now"
    assert "2 rows: 0 succeeded, 1 failed, 1 refused" in done.stdout
    assert "until you dismiss it: `jobpipe dismiss --all-failed`, or --reason NAME" in done.stdout
    assert Path("a.failed.csv").read_text() != first, "nobody had changed it"
    repaired = "jobpipe:line,jobpipe:error,name,description,n:number\n2,e,A,d,1\n"
    Path("a.failed.csv").write_text(repaired)
    done = jobpipe("import", "a.csv", "--restart")
    assert done.exit_code == 3
    assert "a.failed.csv is left unchanged, since this import did not write it" in done.stderr
    assert "they are in a.failed-2.csv: repair" in done.stdout
    assert "they are in a.failed-2.csv: repair" in jobpipe("import", "a.csv").stdout, "the report of that import"
    jobpipe("import", "a.csv", "--restart")
    assert sorted(each.name for each in Path().glob("a.failed*.csv")) == ["a.failed-2.csv", "a.failed.csv"]
    Path("a.csv").write_text("name,description,n:number\nC,d,3\n")
    jobpipe.does("import", "a.csv", "--restart")
    assert [each.name for each in Path().glob("a.failed*.csv")] == ["a.failed.csv"], "only its own file is deleted"
    assert Path("a.failed.csv").read_text() == repaired


@pytest.mark.parametrize("folder", ["", "data/", "data/../", "../here/", "linked/"])
def test_the_file_of_failures_is_named_as_the_file_was(
    jobpipe: Jobpipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "here" / "data").mkdir(parents=True)
    (tmp_path / "here" / "linked").symlink_to("data")
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        Path(f"{folder}a.csv").write_text("name,description,n:number\nA,d,x\n")
        done = jobpipe("import", f"{folder}a.csv", "--restart")
        assert done.exit_code == 3
        assert "is left unchanged" not in done.stderr
        assert f"they are in {folder}a.failed.csv: repair them" in done.stdout
        assert Path(f"{folder}a.failed.csv").exists()


def test_a_report_of_long_ago_names_no_file_that_is_gone(jobpipe: Jobpipe) -> None:
    Path("a.csv").write_text("name,description,n:number\nA,d,x\n")
    jobpipe("import", "a.csv")
    Path("a.failed.csv").unlink()
    done = jobpipe("import", "a.csv")
    assert "this is the report of the import that began" in done.stderr
    assert "they are in" not in done.stdout


@pytest.mark.parametrize("again", [False, True])
def test_a_row_whose_name_is_that_of_another_row_names_its_line(jobpipe: Jobpipe, again: bool) -> None:
    jobpipe.does("items", "create", "name=Lamp", "description=d")
    Path("a.csv").write_text("name,description\nTent,d\nStove,d\nLamp,d\nTent,d\n")
    done = jobpipe("import", "a.csv", "--batch-size", "1", "--concurrency", "1")
    if again:
        done = jobpipe("import", "a.csv", "--batch-size", "1")
    shown = [line for line in done.stdout.splitlines() if line.startswith("line ")]
    assert [line.endswith("(line 2 has the same name)") for line in shown] == [False, True]
    assert shown[0].startswith("line 4: 409 name-taken")


def test_a_document_whose_key_is_that_of_another_row_names_its_line(jobpipe: Jobpipe) -> None:
    rows = [{"number": "1"}, {"number": "2"}, {"number": "1"}]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = jobpipe(
        "import", "a.jsonl", "--collection", "orders", "--batch-size", "1", "--concurrency", "1", "--json"
    )
    (failure,) = json.loads(done.stdout)["first_failures"]
    assert failure["line"] == 3
    assert failure["error"].endswith("(line 1 has the same number)")
