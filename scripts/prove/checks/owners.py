"""P9: an owner's jobs are invisible to another owner, and a reader's key changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.prove.bench import Bench
from scripts.prove.callers import ACCEPTED, OK, Answer, Caller, Json, checked
from scripts.prove.expenses import ACCEPT, GET, LIST, POLL, REFUSED, STATS
from scripts.prove.findings import Finding, judge

_FORBIDDEN, _NOT_FOUND = 403, 404


@dataclass(frozen=True)
class Expected:
    """A request, the status that it must get, and the response."""

    what: str
    status: int
    answer: Answer


def run(bench: Bench) -> list[Finding]:
    """Let another owner and a reader try what is forbidden to them."""
    [item_id] = bench.create(1)
    read = {"operation": "read", "item_id": item_id}
    failing = {"operation": "read", "item_id": f"{bench.name}-none"}
    job, failed = bench.wait_for([bench.writer.submit(read), bench.writer.submit(failing)])
    batch = bench.writer.ask("POST", "/batches", {"commands": [read]}, kind=ACCEPT, key=f"{bench.name}-batch")
    accepted = checked(batch, ACCEPTED, "a batch was not accepted")
    bench.wait_for([accepted["entries"][0]["job"]])
    path = f"/jobs/{job['id']}"
    others = [
        Expected("GET of the job", _NOT_FOUND, _get(bench.other, path)),
        Expected("GET of the job that waits", _NOT_FOUND, _get(bench.other, f"{path}?wait=1")),
        Expected("DELETE of the job", _NOT_FOUND, bench.other.send("DELETE", path, kind=REFUSED)),
        Expected("retry of the job", _NOT_FOUND, bench.other.send("POST", f"{path}/retry", kind=REFUSED)),
        Expected("dismissal of the job", _NOT_FOUND, bench.other.send("POST", f"{path}/dismiss", kind=REFUSED)),
        Expected("GET of the batch", _NOT_FOUND, _get(bench.other, f"/batches/{accepted['id']}")),
        Expected("its owner's own GET", OK, _get(bench.writer, path)),
    ]
    mine = bench.other.ask("GET", "/jobs?status=failed", kind=LIST)
    update = {"operation": "update", "item_id": item_id, "set": {"by": "a reader"}}
    roles = [
        Expected("a reader's GET of a job", OK, _get(bench.reader, path)),
        Expected("a reader's GET of an item", OK, bench.reader.ask("GET", f"/items/{item_id}", kind=GET)),
        Expected("a reader's update", _FORBIDDEN, bench.reader.send("POST", "/jobs", update, kind=REFUSED)),
        Expected(
            "a reader's DELETE of the item",
            _FORBIDDEN,
            bench.reader.send("DELETE", f"/items/{item_id}", kind=REFUSED),
        ),
        Expected("a reader's cancellation", _FORBIDDEN, bench.reader.send("DELETE", path, kind=REFUSED)),
        Expected("a writer's statistics", _FORBIDDEN, bench.writer.send("GET", "/stats", kind=STATS)),
    ]
    item, _ = bench.writer.item(item_id)
    return [
        judge(
            "an owner's jobs are invisible to others",
            "P9",
            f"with the key of a second owner: {', '.join(each.what for each in others[:-1])}, and its own lists",
            "404 to each request, and none of the jobs in the other's list",
            wrong_responses(others) + find_listed(mine, {str(job["id"]), str(failed["id"])}),
        ),
        judge(
            "a key does no more than its role allows",
            "P9",
            f"sent {', '.join(each.what for each in roles)}",
            "reads succeeded, and everything else got a 403, without effect",
            wrong_responses(roles) + find_changes(item),
        ),
    ]


def wrong_responses(expected: Sequence[Expected]) -> list[str]:
    """Return the requests that got another status than they must get."""
    return [
        f"{each.what} returned {each.answer}, not {each.status}"
        for each in expected
        if each.answer.status != each.status
    ]


def find_changes(item: Json) -> list[str]:
    """Return what a reader has changed in an item."""
    if not item:
        return ["the reader's DELETE took effect"]
    return ["the reader's update took effect"] if "by" in item else []


def find_listed(answer: Answer, job_ids: set[str]) -> list[str]:
    """Return what is wrong with a list of jobs that must not contain any of these."""
    if answer.status != OK or not isinstance(answer.document, list):
        return [f"the list of jobs returned {answer}"]
    shown = job_ids & {str(job.get("id")) for job in answer.document}
    return [f"the list of another owner has the job {job_id}" for job_id in sorted(shown)]


def _get(caller: Caller, path: str) -> Answer:
    return caller.send("GET", path, kind=POLL)
