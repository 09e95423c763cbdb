"""P11: a scheduled command takes no effect before its time, and is released within a minute unless cancelled."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobpipe.domain.clock import now, rfc3339
from scripts.prove.bench import Bench
from scripts.prove.callers import OK, Json, UnexpectedAnswerError, new_key, stage_time
from scripts.prove.expenses import LIST
from scripts.prove.findings import Finding, judge, unfinished

LONGEST_DELAY = timedelta(seconds=62)
"""The longest time from a command's time to its release: the promised minute, and two seconds for the release."""
_POLL_SECONDS = 2.0
_APART = timedelta(seconds=2)


@dataclass
class Scheduled:
    """A scheduled command, and its job as it was last seen."""

    what: str
    item_id: str
    member: str  # the member that the command sets
    job: Json
    released: datetime | None = None  # by the stage's clock, when the release was first seen


def run(bench: Bench) -> list[Finding]:
    """Schedule commands, for one item the later command first, and cancel another command."""
    first, second, third = bench.create(3)
    at = now() + timedelta(seconds=bench.plan.size.due_seconds)
    waiting = [
        _schedule(bench, "the later command of an item", first, "later", at + _APART),
        _schedule(bench, "the earlier command of that item", first, "sooner", at),
        _schedule(bench, "a command", second, "alone", at),
    ]
    cancelled = _schedule(bench, "the cancelled command", third, "cancelled", at)
    answer = bench.writer.ask("DELETE", f"/jobs/{cancelled.job['id']}", kind=LIST)
    if answer.status != OK:
        raise UnexpectedAnswerError("a scheduled job could not be cancelled", answer)
    cancelled.job = answer.document
    _follow(bench, waiting)
    cancelled.job = bench.writer.job(str(cancelled.job["id"]))
    items = {item_id: bench.writer.item(item_id)[0] for item_id in (first, second, third)}
    done = (
        f"scheduled {len(waiting)} commands {bench.plan.size.due_seconds:g} s ahead, for one item the later "
        "command first, and another command that was cancelled"
    )
    if late := [each for each in waiting if not each.job["done"]]:
        return [unfinished("a scheduled command is on time", "P11", done, f"{late[0].what} had not ended")]
    slowest = max((each.released - _time(each)).total_seconds() for each in waiting if each.released)
    return [
        judge(
            "a scheduled command takes no effect before its time",
            "P11",
            done,
            "no command was released or ended before its time, by the stage's clock",
            early_commands(waiting),
        ),
        judge(
            "a scheduled command is released within a minute of its time",
            "P11",
            f"polled the jobs every {_POLL_SECONDS:g} s",
            f"the slowest command was released at most {slowest:.1f} s after its time",
            late_commands(waiting),
        ),
        judge(
            "scheduled commands take effect in the order of their times, and cancelled commands never",
            "P11",
            "read the results and the items afterwards",
            "the earlier command came first, and the cancelled one had no effect",
            wrong_effects(waiting, cancelled, items),
        ),
    ]


def _schedule(bench: Bench, what: str, item_id: str, member: str, at: datetime) -> Scheduled:
    command = {"operation": "update", "item_id": item_id, "set": {member: 1}, "not_before": rfc3339(at)}
    found, key = Scheduled(what, item_id, member, {}), new_key()

    def cancel() -> None:
        # If the response was lost, the same request returns the existing job, or makes it now.
        job = found.job or bench.writer.submit(command, key)
        bench.writer.ask("DELETE", f"/jobs/{job['id']}", kind=LIST)

    bench.made.later(f"{what}, which is scheduled", cancel)
    found.job = bench.writer.submit(command, key)
    bench.note([str(found.job["id"])])
    return found


def _follow(bench: Bench, waiting: Sequence[Scheduled]) -> None:
    """Poll the jobs until they have ended, or the time of the check is over."""
    while not all(each.job["done"] for each in waiting) and time.monotonic() < bench.until - _POLL_SECONDS:
        for each in waiting:
            if not each.job["done"]:
                each.job = bench.writer.job(str(each.job["id"]))
                if each.released is None and each.job["status"] != "scheduled":
                    each.released = stage_time(str(each.job["updated_at"]))
        bench.pause(_POLL_SECONDS)


def _time(each: Scheduled) -> datetime:
    return stage_time(str(each.job["not_before"]))


def early_commands(waiting: Sequence[Scheduled]) -> list[str]:
    """Return the commands that were released or ended before their time."""
    wrong = []
    for each in waiting:
        seen = min(filter(None, (each.released, stage_time(str(each.job["updated_at"])))))
        if seen < _time(each):
            wrong.append(f"{each.what} was released {(_time(each) - seen).total_seconds():.1f} s before its time")
    return wrong


def late_commands(waiting: Sequence[Scheduled]) -> list[str]:
    """Return the commands that were released later than promised."""
    return [
        f"{each.what} was released {(each.released - _time(each)).total_seconds():.1f} s after its time"
        for each in waiting
        if each.released is not None and each.released - _time(each) > LONGEST_DELAY
    ]


def wrong_effects(
    waiting: Sequence[Scheduled], cancelled: Scheduled, items: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the commands with a missing effect, in the wrong order, or with an effect although cancelled."""
    wrong = [f"{each.what} ended as {each.job['status']}" for each in waiting if each.job["status"] != "succeeded"]
    wrong += [f"{each.what} had no effect" for each in waiting if each.member not in items[each.item_id]]
    for one in waiting:
        for other in waiting:
            if one.item_id == other.item_id and _time(one) < _time(other) and other.member in _result(one):
                wrong.append(f"{other.what} took effect before {one.what}")
    if cancelled.job["status"] != "cancelled":
        wrong.append(f"the cancelled job is {cancelled.job['status']}")
    if cancelled.member in items[cancelled.item_id]:
        wrong.append("the cancelled command took effect")
    return wrong


def _result(each: Scheduled) -> Mapping[str, Any]:
    result: Mapping[str, Any] = each.job.get("result") or {}
    return result
