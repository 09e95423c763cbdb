"""P10: a webhook is told of each end at least once, in the order of the document, also after a failed attempt.

On the embedded emulator the receiver runs beside this command and verifies each request. Elsewhere the stage cannot
reach it: there the operator's own receiver is told, if one is given, and the log of deliveries is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from infra.errors import OperatorError
from scripts.prove.bench import Bench
from scripts.prove.callers import Answer, Json, UnexpectedAnswerError, new_key
from scripts.prove.checks.updates import Update, not_ended, outcomes, send_updates
from scripts.prove.expenses import LIST, TOLD
from scripts.prove.findings import Finding, judged, not_tried, unfinished
from scripts.prove.receiver import Receiver, receiver

NAME = "each end of a job is told, in the order of its document"
_OK, _CREATED, _NO_CONTENT, _NOT_FOUND = 200, 201, 204, 404
_SECONDS = 60  # for the deliveries


def run(bench: Bench) -> list[Finding]:
    """Let a webhook be told of the ends of updates of two items."""
    facts, own = bench.plan.facts, bench.plan.receiver
    if not facts.events:
        return [not_tried(NAME, "P10", "the stage has Events=off")]
    if own is not None:
        return [_by_log(bench, own)]
    if facts.target == "embedded" and facts.loopback_webhooks:
        with receiver() as state:
            return [_by_receipts(bench, state)]
    return [
        not_tried(
            NAME, "P10", "the stage cannot reach a receiver beside this command; RECEIVER=https://… names one"
        )
    ]


def _by_receipts(bench: Bench, state: Receiver) -> Finding:
    webhook = _create_webhook(bench, state.url)
    state.secret = str(webhook["secret"])
    updates = _updates(bench)
    done = (
        f"sent {len(updates)} updates of 2 items; a receiver beside this command answered its first request with "
        "500 and verified all others"
    )
    wanted = {str(each.job["id"]) for each in updates}
    _until(bench, lambda: wanted <= {_job_of(event) for event in list(state.verified)})
    if waiting := not_ended(updates):
        return unfinished(NAME, "P10", done, waiting[0])
    events = list(state.verified)
    wrong = untold(updates, events) + told_wrongly(updates, events) + out_of_order(updates, map(_job_of, events))
    if state.refused:
        wrong.append(f"{state.refused} requests had no valid signature")
    seen = (
        f"all {len(wanted)} ends were told in {len(events)} verified requests, in order, after the one that failed"
    )
    return judged(NAME, "P10", done, seen, wrong)


def _by_log(bench: Bench, url: str) -> Finding:
    webhook = _create_webhook(bench, url)
    updates = _updates(bench)
    path = f"/webhooks/{webhook['id']}/deliveries?limit=100"
    log: list[Json] = []

    def delivered() -> bool:
        log[:] = _list(bench, path)
        return len(_delivered(log)) >= len(updates)

    _until(bench, delivered)
    done = f"sent {len(updates)} updates of 2 items; the webhook is that of the receiver that was given"
    if waiting := not_ended(updates):
        return unfinished(NAME, "P10", done, waiting[0])
    times = sorted(_delivered(log), key=lambda entry: str(entry["attempts"][-1]["at"]))
    order = [str(entry["subject"]).removeprefix("jobs/") for entry in times]
    missing = [f"the end of {each} was not delivered" for each in updates if str(each.job["id"]) not in order]
    seen = (
        f"the log of deliveries has all {len(updates)} ends, answered with 2xx, in order; signatures were not seen"
    )
    return judged(NAME, "P10", done, seen, missing + out_of_order(updates, order))


def _create_webhook(bench: Bench, url: str) -> Json:
    members, key = {"url": url, "events": ["job.ended"], "collections": ["items"]}, new_key()

    def create() -> Answer:
        return bench.writer.ask("POST", "/webhooks", members, kind=LIST, key=key)

    def delete() -> None:
        create()  # a request that was not answered may still make it; with the same key there is one webhook
        _delete_webhooks(bench)

    bench.made.later("the webhook", delete)
    answer = create()
    if answer.status != _CREATED:
        raise OperatorError(f"the webhook was not created: {answer}")
    bench.secrets += [str(answer.document["secret"]), url]
    webhook: Json = answer.document
    return webhook


def _delete_webhooks(bench: Bench) -> None:
    """Delete all webhooks of the temporary owner."""
    for webhook in _list(bench, "/webhooks"):
        answer = bench.writer.ask("DELETE", f"/webhooks/{webhook['id']}", kind=LIST)
        if answer.status not in {_NO_CONTENT, _OK, _NOT_FOUND}:
            raise UnexpectedAnswerError("it was not deleted", answer)


def _list(bench: Bench, path: str) -> list[Json]:
    answer = bench.writer.ask("GET", path, kind=LIST)
    if answer.status != _OK:
        raise UnexpectedAnswerError("the list could not be read", answer)
    found: list[Json] = answer.document
    return found


def _updates(bench: Bench) -> list[Update]:
    sender = send_updates(bench, bench.create(2), bench.plan.size.told, 2)
    updates, _ = outcomes(bench, sender)
    bench.shared.tally.add(TOLD, len(updates))
    return updates


def _until(bench: Bench, condition: Callable[[], bool]) -> None:
    """Return when the condition holds, or after a minute."""
    for _ in range(_SECONDS):
        if condition():
            return
        bench.pause(1)


def _delivered(log: Iterable[Json]) -> list[Json]:
    return [entry for entry in log if entry["state"] == "delivered" and str(entry["subject"]).startswith("jobs/")]


def _job_of(event: Mapping[str, Any]) -> str:
    return str(event.get("subject", "")).removeprefix("jobs/")


def untold(updates: Sequence[Update], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the updates whose ends were not told."""
    told = {_job_of(event) for event in events if event.get("type") == "job.ended"}
    return [f"the end of {each} was not told" for each in updates if str(each.job["id"]) not in told]


def told_wrongly(updates: Sequence[Update], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the events that tell of another end than there was; those of other jobs of the owner may be any."""
    ends = {str(each.job["id"]): each.job for each in updates}
    wrong = []
    for event in events:
        job, data = ends.get(_job_of(event)), event.get("data") or {}
        if job is not None and (data.get("status"), data.get("result")) != (job["status"], job.get("result")):
            wrong.append(f"the end of job {job['id']} was told as {data.get('status')} with another result")
    return wrong


def out_of_order(updates: Sequence[Update], jobs: Iterable[str]) -> list[str]:
    """Return the updates that were told for the first time after a later one of their item."""
    first: dict[str, int] = {}
    for position, job_id in enumerate(jobs):
        first.setdefault(job_id, position)
    wrong = []
    for item_id in {each.item_id for each in updates}:
        told = [each for each in updates if each.item_id == item_id and str(each.job["id"]) in first]
        told.sort(key=lambda each: first[str(each.job["id"])])
        wrong += [
            f"{later} was told before {earlier}"
            for later, earlier in itertools.pairwise(told)
            if later.place > earlier.place
        ]
    return wrong
