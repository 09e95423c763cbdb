"""P10: a webhook is notified of each end at least once, in the document's order, even after a failed attempt.

On the embedded emulator, the receiver runs beside this command and verifies each request. Elsewhere the stage
cannot reach it: there an operator's own receiver is notified, if one is given, and the log of deliveries is judged.
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
from scripts.prove.findings import Finding, judge, not_tried, unfinished
from scripts.prove.receiver import Receiver, receiver

NAME = "each end of a job is delivered, in the order of its document"
_OK, _CREATED, _NO_CONTENT, _NOT_FOUND = 200, 201, 204, 404
_SECONDS = 60  # for the deliveries


def run(bench: Bench) -> list[Finding]:
    """Let the stage notify a webhook of the ends of updates of two items."""
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
        f"sent {len(updates)} updates of 2 items; a receiver beside this command returned a 500 to the first "
        "request, and verified all others"
    )
    expected = {str(each.job["id"]) for each in updates}
    _wait_until(bench, lambda: expected <= {_job_of(event) for event in list(state.verified)})
    if waiting := not_ended(updates):
        return unfinished(NAME, "P10", done, waiting[0])
    events = list(state.verified)
    wrong = (
        missing_deliveries(updates, events)
        + wrong_deliveries(updates, events)
        + out_of_order(updates, map(_job_of, events))
    )
    if state.refused:
        wrong.append(f"{state.refused} requests had no valid signature")
    seen = (
        f"all {len(expected)} ends were delivered in {len(events)} verified requests, in order, after the failure"
    )
    return judge(NAME, "P10", done, seen, wrong)


def _by_log(bench: Bench, url: str) -> Finding:
    webhook = _create_webhook(bench, url)
    updates = _updates(bench)
    path = f"/webhooks/{webhook['id']}/deliveries?limit=100"
    log: list[Json] = []

    def is_delivered() -> bool:
        log[:] = _list(bench, path)
        return len(_delivered(log)) >= len(updates)

    _wait_until(bench, is_delivered)
    done = f"sent {len(updates)} updates of 2 items; the webhook has the URL of the given receiver"
    if waiting := not_ended(updates):
        return unfinished(NAME, "P10", done, waiting[0])
    times = sorted(_delivered(log), key=lambda entry: str(entry["attempts"][-1]["at"]))
    order = [str(entry["subject"]).removeprefix("jobs/") for entry in times]
    missing = [f"the end of {each} was not delivered" for each in updates if str(each.job["id"]) not in order]
    seen = f"the log of deliveries has all {len(updates)} ends, each with a 2xx, in order; signatures were not seen"
    return judge(NAME, "P10", done, seen, missing + out_of_order(updates, order))


def _create_webhook(bench: Bench, url: str) -> Json:
    members, key = {"url": url, "events": ["job.ended"], "collections": ["items"]}, new_key()

    def create() -> Answer:
        return bench.writer.ask("POST", "/webhooks", members, kind=LIST, key=key)

    def delete() -> None:
        create()  # a request without a response may still have made the webhook; the same key makes no second one
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


def _wait_until(bench: Bench, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, but at most a minute."""
    for _ in range(_SECONDS):
        if condition():
            return
        bench.pause(1)


def _delivered(log: Iterable[Json]) -> list[Json]:
    return [entry for entry in log if entry["state"] == "delivered" and str(entry["subject"]).startswith("jobs/")]


def _job_of(event: Mapping[str, Any]) -> str:
    return str(event.get("subject", "")).removeprefix("jobs/")


def missing_deliveries(updates: Sequence[Update], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the updates whose ends were not delivered."""
    told = {_job_of(event) for event in events if event.get("type") == "job.ended"}
    return [f"the end of {each} was not delivered" for each in updates if str(each.job["id"]) not in told]


def wrong_deliveries(updates: Sequence[Update], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the events whose status or result is not the job's. Events of other jobs are not judged."""
    ends = {str(each.job["id"]): each.job for each in updates}
    wrong = []
    for event in events:
        job, data = ends.get(_job_of(event)), event.get("data") or {}
        if job is not None and (data.get("status"), data.get("result")) != (job["status"], job.get("result")):
            wrong.append(f"the end of job {job['id']} was delivered as {data.get('status')} with another result")
    return wrong


def out_of_order(updates: Sequence[Update], jobs: Iterable[str]) -> list[str]:
    """Return the updates that were first delivered after a later update of their item."""
    first: dict[str, int] = {}
    for position, job_id in enumerate(jobs):
        first.setdefault(job_id, position)
    wrong = []
    for item_id in {each.item_id for each in updates}:
        told = [each for each in updates if each.item_id == item_id and str(each.job["id"]) in first]
        told.sort(key=lambda each: first[str(each.job["id"])])
        wrong += [
            f"{later} was delivered before {earlier}"
            for later, earlier in itertools.pairwise(told)
            if later.place > earlier.place
        ]
    return wrong
