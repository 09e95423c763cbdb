"""P4 and P2: a request repeated with its Idempotency-Key after a lost response has one job and one effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.prove.bench import Bench
from scripts.prove.callers import ACCEPTED, NO_ANSWER, Answer, Json, new_key
from scripts.prove.expenses import ACCEPT, LIST, REFUSED
from scripts.prove.findings import Finding, judge, unfinished

_OTHER_COMMAND = 422
_DROPS = 2  # dropped responses of each request, before one is read


@dataclass(frozen=True)
class Repeated:
    """A command that was sent several times with one key, and its item at the end."""

    number: int
    answers: Sequence[Answer]  # the responses that were read, the last one after the end of the job
    job: Json  # as it ended
    etag: str  # of the item
    value: object  # the item's value in the member that the command sets


def run(bench: Bench) -> list[Finding]:
    """Drop the connections of updates before the responses can be read, and repeat the updates."""
    size = bench.plan.size
    item_ids = bench.create(size.lost)
    keys, dropped = [new_key() for _ in item_ids], 0
    for _ in range(_DROPS):
        for number, (item_id, key) in enumerate(zip(item_ids, keys, strict=True)):
            bench.shared.pace.wait(bench.shared.stopped)
            dropped += bench.writer.drop("/jobs", _update(item_id, number), key).status == NO_ANSWER
    commands = [_update(item_id, number) for number, item_id in enumerate(item_ids)]
    first = [_send(bench, command, key) for command, key in zip(commands, keys, strict=True)]
    if wrong := [str(each) for each in first if each.status != ACCEPTED]:
        return [judge("a repeated request is answered", "P4", "repeated dropped requests", "", wrong)]
    ended = bench.wait_for(answer.document for answer in first)
    again = [_send(bench, command, key) for command, key in zip(commands, keys, strict=True)]
    found = []
    for number, (item_id, job) in enumerate(zip(item_ids, ended, strict=True)):
        document, etag = bench.writer.item(item_id)
        found.append(Repeated(number, (first[number], again[number]), job, etag, document.get("lost")))
    done = (
        f"sent {size.lost} updates {_DROPS} times each and closed the connection before the response could be read "
        f"({dropped} of {size.lost * _DROPS} responses were lost), then twice more, once after the end of the job"
    )
    if waiting := [each for each in found if not each.job["done"]]:
        return [unfinished("a repeated request is one job", "P4", done, f"{len(waiting)} jobs had not ended")]
    other = bench.writer.ask("POST", "/jobs", _update(item_ids[0], -1), kind=REFUSED, key=keys[0])
    racing = _race(bench, item_ids[0])
    failed = bench.writer.ask("GET", "/jobs?status=failed", kind=LIST)
    return [
        judge(
            "a repeated request is one job",
            "P4",
            f"{done}; sent {size.races} requests with one key at the same time",
            "each key had one job, also after its end, and no job failed",
            several_jobs(found) + racing_jobs(racing) + unexpected_failures(failed, item_ids),
        ),
        judge(
            "a key with another command is refused",
            "P4",
            "sent another command with a key that was in use",
            "422",
            [] if other.status == _OTHER_COMMAND else [f"it returned {other}"],
        ),
        judge(
            "a repeated command takes effect once",
            "P2",
            "read the items after the repeated requests",
            "each item had the version in which its only job had left it",
            several_effects(found),
        ),
    ]


def _race(bench: Bench, item_id: str) -> list[Answer]:
    """Send one command several times at once."""
    command, key = {"operation": "read", "item_id": item_id}, new_key()
    sends = [lambda: bench.writer.ask("POST", "/jobs", command, kind=ACCEPT, key=key)] * bench.plan.size.races
    answers = bench.parallel(sends, len(sends))
    bench.wait_for(answer.document for answer in answers if answer.status == ACCEPTED)
    return answers


def _send(bench: Bench, command: Json, key: str) -> Answer:
    bench.shared.pace.wait(bench.shared.stopped)
    return bench.writer.ask("POST", "/jobs", command, kind=ACCEPT, key=key)


def _update(item_id: str, number: int) -> Json:
    return {"operation": "update", "item_id": item_id, "set": {"lost": number}}


def several_jobs(found: Sequence[Repeated]) -> list[str]:
    """Return the commands whose repeated requests got another job, or no job."""
    wrong = []
    for each in found:
        ids = {str(answer.document["id"]) for answer in each.answers if answer.status == ACCEPTED}
        refused = [str(answer) for answer in each.answers if answer.status != ACCEPTED]
        if refused:
            wrong.append(f"request {each.number} returned {refused[0]} when it was repeated")
        elif ids != {str(each.job["id"])}:
            wrong.append(f"request {each.number} had {len(ids)} jobs")
    return wrong


def racing_jobs(answers: Sequence[Answer]) -> list[str]:
    """Return what is wrong with requests of one key that were sent at the same time."""
    ids = {str(answer.document["id"]) for answer in answers if answer.status == ACCEPTED}
    refused = [str(answer) for answer in answers if answer.status != ACCEPTED]
    wrong = [f"requests with one key at the same time had {len(ids)} jobs"] if len(ids) > 1 else []
    return wrong + [f"one of the requests with one key at the same time returned {each}" for each in refused[:1]]


def unexpected_failures(failed: Answer, item_ids: Sequence[str]) -> list[str]:
    """Return failed jobs of these items: a second job for one command would be among them."""
    jobs = failed.document if isinstance(failed.document, list) else []
    return [f"a job of item {job['item_id']} failed" for job in jobs if job.get("item_id") in item_ids]


def several_effects(found: Sequence[Repeated]) -> list[str]:
    """Return the items whose version is not the one in which their job has left them."""
    wrong = []
    for each in found:
        if each.job["status"] != "succeeded":
            wrong.append(f"the job of request {each.number} is {each.job['status']}")
        elif each.value != each.number:
            wrong.append(f"request {each.number} had no effect: its member is {each.value}")
        elif each.etag != each.job.get("etag"):
            wrong.append(f"the item of request {each.number} was changed once more after its job")
    return wrong
