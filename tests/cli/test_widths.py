"""On a terminal of any width, the name of a row and the reason of a failure are never cut."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from jobpipe_client.cli.output import tables
from jobpipe_client.cli.output.output import draw_jobs
from jobpipe_client.models import Job
from tests.cli.conftest import Jobpipe
from tests.cli.running import CREATE, a_failed_job, a_job, on_a_terminal
from tests.client.service import Service

WIDTHS = (40, 60, 80, 120, 200)
WHY = "409 name-taken: Another item has the name 'Trail tent, two persons', in capitals or not."
BORDERS = re.compile("[─-╿]")


def shown(what: RenderableType | None, width: int) -> list[str]:
    """The lines on a terminal of this width."""
    assert what is not None
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=True, no_color=True).print(what)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert all(len(line) <= width for line in lines)
    return lines


def words(lines: list[str], first: int = 0) -> str:
    """The text from the column `first` on, without blanks and borders, since a cell may continue below."""
    return re.sub(r"\s", "", BORDERS.sub("", "".join(line[first:] for line in lines)))


def failed(detail: str, status: str = "failed", number: int = 7) -> Job:
    at = datetime(2026, 11, 29, 12, 30, 15, tzinfo=UTC).isoformat()
    error = {"type": "urn:jobpipe:problem:name-taken", "title": "Taken", "status": 409, "detail": detail}
    document = {
        "id": f"{number:032x}", "status": status, "done": True, "operation": "create", "item_id": "i" * 36,
        "attempts": 1, "retries": 0, "created_at": at, "updated_at": at, "error": error, "links": {},
    }  # fmt: skip
    return Job.of(document)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("status", ["failed", "retrying", "cancelled"])
def test_the_id_the_status_and_the_reason_of_a_job_are_complete_at_every_width(width: int, status: str) -> None:
    detail = WHY.partition(": ")[2]
    jobs = [failed(detail, status, number) for number in (1, 2)]
    lines = shown(draw_jobs(jobs, width), width)
    for job in jobs:
        assert sum(job.id in line for line in lines) == 1, "on one line, to be copied"
    assert sum(status in line for line in lines) == 2
    for word in WHY.split():
        assert sum(word in line for line in lines) >= 2, f"{word!r} is cut"
    assert len(lines) <= 10, "two jobs do not fill the screen"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_failed_job_is_named_at_every_width(width: int) -> None:
    job = replace(failed("no"), label="Trail tent [bold]")
    lines = shown(draw_jobs([job, failed("no", number=8)], width), width)
    assert sum("Trail tent [bold]" in line for line in lines) == 1
    assert sum("i" * 36 in line for line in lines) == (width >= 150), "only the job without a label shows the id"
    long = shown(draw_jobs([replace(job, label="x" * 99 + "…")], width), width)
    assert words(long).count("x") == (35 if width >= 150 else 99)
    assert "409name-taken:no" in words(long)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("status", ["succeeded", "queued", "scheduled", "cancelled"])
def test_a_job_that_has_not_failed_shows_its_item_at_every_width(width: int, status: str) -> None:
    due = datetime(2026, 12, 1, 8, 0, tzinfo=UTC) if status == "scheduled" else None
    job = replace(failed("no", status), error=None, collection="orders", not_before=due)
    text = words(shown(draw_jobs([job], width), width))
    assert f"orders/{'i' * 36}" in text
    assert ("due2026-12-0108:00:00" in text) == (status == "scheduled")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_reason_of_kilobytes_does_not_flood_the_terminal(width: int) -> None:
    errors = [{"pointer": f"#/{n}", "detail": "must be a number"} for n in range(300)]
    job = failed("x")
    assert job.error is not None
    object.__setattr__(job.error, "errors", tuple(errors))
    lines = shown(draw_jobs([job], width), width)
    assert len(lines) < 25
    assert "--json" in words(lines)
    assert len(str(job.error)) > 5000, "it is whole where it is no terminal's"


def test_nothing_is_drawn_for_no_rows() -> None:
    assert draw_jobs([], 80) is None
    assert tables.draw_rows(("a", "b"), [], 80) is None


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@given(
    st.lists(
        st.tuples(st.text("0123456789abcdef", min_size=1, max_size=36), TEXT, TEXT, TEXT), min_size=1, max_size=4
    ),
    st.integers(40, 130),
)
def test_no_cell_of_a_table_is_cut_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    lines = shown(tables.draw_rows(("id", "name", "why", "more"), rows, width), width)
    for row in rows:
        assert any(row[0] in line for line in lines), "the first cell is on one line"
    if any("│" in line for line in lines):
        # Column by column: each cell goes on below itself.
        edges = [m.start() for m in re.finditer("[┃│]", next(line for line in lines if "│" in line))]
        seen = "".join(words([line[left:right] for line in lines]) for left, right in pairwise(edges))
    else:
        seen = words(lines)
    for row in rows:
        for text in row[1:]:
            assert text in seen


@pytest.mark.parametrize("width", WIDTHS)
def test_failed_shows_the_reason_at_every_width(jobpipe: Jobpipe, service: Service, width: int) -> None:
    a_failed_job(jobpipe)
    a_job(jobpipe)
    second = a_job(jobpipe, "--wait", command=CREATE)
    assert second["status"] == "failed"
    screen = on_a_terminal(service, {"COLUMNS": str(width)}, "failed")
    for job in jobpipe.does("failed").splitlines():
        identifier, *_, why = job.split("\t")
        assert any(identifier in line for line in screen.splitlines())
        assert why
        assert all(word in screen for word in why.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_watch_shows_the_reason_at_every_width(jobpipe: Jobpipe, service: Service, width: int) -> None:
    service.pause()
    job = a_job(jobpipe)["id"]
    detail = WHY.partition(": ")[2]
    error = {"type": "urn:jobpipe:problem:name-taken", "title": "t", "status": 409, "detail": detail}
    service.jobs[job] |= {"status": "failed", "done": True, "error": error}
    screen = on_a_terminal(service, {"COLUMNS": str(width)}, "watch", job, status=3)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).splitlines()
    assert any(job in line for line in lines)
    assert all(any(word in line for line in lines) for word in WHY.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_items_are_whole_at_every_width(jobpipe: Jobpipe, service: Service, width: int) -> None:
    item = {"id": "9c41b2aa-0000-4000-8000-1234567890ab", "name": "Trail tent", "description": "For two, in summer"}
    service.items = {item["id"]: item}
    for arguments in (("items", "list"), ("items", "get", item["id"])):
        screen = on_a_terminal(service, {"COLUMNS": str(width)}, *arguments)
        assert item["id"] in screen or arguments[1] == "get"
        for word in f"{item['name']} {item['description']}".split():
            assert word in screen
