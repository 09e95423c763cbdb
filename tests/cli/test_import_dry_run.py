"""`jobpipe import --dry-run` finds the errors that need no service, with the service's messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Jobpipe
from tests.cli.importing import item, lines, write
from tests.client.service import Service


def read(jobpipe: Jobpipe, service: Service, *arguments: str) -> list[str]:
    """Return the lines of the report below the counts."""
    done = jobpipe("import", *arguments, "--dry-run")
    assert done.exit_code == 3, done.output
    assert service.seen == []
    return [line for line in done.stdout.splitlines() if line.startswith("line ")]


def write_lines(*documents: Any) -> None:
    write("a.jsonl", lines(*documents))


def test_items_that_the_service_would_refuse(jobpipe: Jobpipe, service: Service) -> None:
    write_lines(
        item("A"),
        {"name": "B"},
        item("x" * 256),
        item("C", id="7"),
        item("D", n=10**38 + 1),
        item("E", t="\0"),
        item("", description=7),
        item("F", text="x" * (1024 * 1024)),
        item("G"),
    )
    assert read(jobpipe, service, "a.jsonl") == [
        "line 2: 400 invalid-request: #/description: An item needs a description.",
        "line 3: 400 invalid-request: #/name: The name must have at most 255 characters.",
        "line 4: 400 invalid-request: #/id: The id is assigned by the service and must not be in the body.",
        (
            f"line 5: 400 invalid-request: #/n: The number {10**38 + 1} cannot be stored exactly: at most 38 "
            "significant digits, between 1E-130 and 9.9E+125."
        ),
        "line 6: 400 invalid-request: #/t: Text must not have a NUL character.",
        (
            "line 7: 400 invalid-request: #/name: The name must not be blank.; "
            "#/description: The description must be a string."
        ),
        "line 8: 413 too-large: An item's document must have at most 1048576 bytes.",
    ]


def test_a_document_that_leaves_no_room_for_the_rest_of_the_request(jobpipe: Jobpipe, service: Service) -> None:
    write_lines(item("A", t="x" * (1024 * 1024 - len(json.dumps(item("A", t=""), separators=(",", ":"))))))
    assert read(jobpipe, service, "a.jsonl") == ["line 1: 413 too-large: A body must have at most 1048576 bytes."]


def test_rows_with_one_name(jobpipe: Jobpipe, service: Service) -> None:
    """Names are compared as in the service: composed, and without joiners."""
    write_lines(item("é"), item("A"), item("e\u0301"), item("A\ufe0f"), item("a"), {"name": 7, "description": "d"})
    result = read(jobpipe, service, "a.jsonl")
    assert result == [
        "line 3: 409 name-taken: #/name: Another row is named 'e\u0301'. (line 1 has the same name)",
        "line 4: 409 name-taken: #/name: Another row is named 'A\ufe0f'. (line 2 has the same name)",
        "line 6: 400 invalid-request: #/name: The name must be a string.",
    ]


def test_commands_in_their_raw_form(jobpipe: Jobpipe, service: Service) -> None:
    write_lines(
        {"operation": "create", "item": item("A")},
        {"operation": "create", "item": item("A")},  # the first may be deleted between
        {"operation": "update", "item_id": "i", "set": {}},
        {"operation": "update", "item_id": "i", "set": {"n": 1}, "merge": {}},
        {"operation": "update", "item_id": "i", "merge": {"name": None}, "if_match": "x"},
        {"operation": "delete", "item_id": "x" * 129},
        {"operation": "fly"},
        {"operation": "read", "item_id": "i", "other": 1},
    )
    result = read(jobpipe, service, "a.jsonl", "--commands")
    assert [line.split(":")[0] for line in result] == [f"line {n}" for n in range(3, 9)]
    assert result[2] == (
        'line 5: 400 invalid-request: #/if_match: If-Match must be * or a list of quoted entity tags such as "a1b2"'
        ", 1024 characters at most.; #/merge/name: An item cannot be without a name."
    )


def test_its_counts_are_by_reason(jobpipe: Jobpipe) -> None:
    write_lines(item("A"), item("A"), {"name": "B"})
    Path("a.jsonl").write_text(Path("a.jsonl").read_text() + "{\n")
    result = json.loads(jobpipe("import", "a.jsonl", "--dry-run", "--json").stdout)
    assert result["reasons"] == {"name-taken": 1, "invalid-request": 1, "unreadable": 1}
    assert (result["succeeded"], result["failed"], result["refused"]) == (1, 0, 3)


def test_a_dry_run_sends_and_writes_nothing(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    write("a.csv", "name,description,n:number\nA,d,1\nB,d,x\n")
    done = jobpipe("import", "a.csv", "--dry-run")
    assert done.exit_code == 3
    assert "2 rows: 1 can be sent, 1 would be refused" in done.stdout
    assert "line 3: n: 'x' is not a number" in done.stdout
    assert service.seen == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
