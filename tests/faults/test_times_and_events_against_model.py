"""Random histories of scheduled commands and of events, on items.

Commands have times, alone and in batches, and are cancelled and retried; the release and the functions that tell
die, fail, and are overtaken at any call; receivers fail, are slow, or are gone; webhooks are paused and resumed.
Besides what test_against_model.py checks: no command takes effect before its time or after its limit; those that
wait are queued on time, in the order of their times; every end is told, in the order of its document, and nothing
else is; and nothing that waited is left.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.command_parsing import parse_command
from jobpipe.domain.commands import fingerprint
from jobpipe.domain.errors import ClaimUnusable, JobEnded, Refusal, Unavailable
from jobpipe.domain.events.delivery import Delivery, DeliveryState
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.job import Job, Status
from jobpipe.domain.limits import QUEUE_RETENTION
from jobpipe.domain.queue_message import Envelope
from jobpipe.runtime.metrics import meter
from jobpipe.runtime.telemetry import logger
from tests.faults.interleaved import Interleaved, troubles
from tests.faults.lambdas import Inline
from tests.faults.random_commands import LARGE, LONG, LoggedJobs, Sent, fields, keys, names, owners
from tests.faults.telling_stage import RELEASE_SECONDS, SHARD, TELLING_SECONDS, Answer, Receivers, TellingPipeline
from tests.faults.test_against_model import AgainstModel
from tests.faults.told_model import Told
from tests.helpers.unreliable import Fault
from worker_lambda.chalicelib.consumer import CommandInterrupted, NoTimeLeft
from worker_lambda.chalicelib.execute import NotDueYet

MOMENT, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)
CANCEL, WORK, RELEASE, TELL, DELIVER, RETRY, CHANGE, REPEAT, PAUSE, WAKE = range(10)  # meanwhile, by others
ON_TIME = timedelta(seconds=2.1)  # after the time of a command
DEDUPLICATED_FOR = timedelta(minutes=5)
FOUND_AFTER = timedelta(minutes=31)  # what S3 does not find so long after was never stored
BEHIND = (0, 0, 0, 3)  # seconds by which the clock of a worker is behind
AHEAD = (0, 0, 0, 1.9)  # seconds by which the clock of a release is ahead, as far as it allows for
LATEST_RELEASE = timedelta(days=2)
_durations = [-3600, 0.4, 3, 50, 100, 300, 3600, 3 * 86400]
Times = tuple[float | None, float | None]  # seconds until not_before and not_after
times: st.SearchStrategy[Times] = st.tuples(
    st.none() | st.sampled_from(_durations), st.none() | st.none() | st.sampled_from([1, 60, 200, 7200, 6 * 86400])
)
CHANGES: dict[str, dict[str, Any] | None] = {
    **{"small": {"x": 1}, "long": {"x": LONG}, "large": {"y": LARGE}},
    **{"renamed": {"name": "tent"}, "renamed again": {"name": "lamp"}, "deleted": None},
}
changes = st.sampled_from([*CHANGES])
batches = st.lists(st.tuples(st.integers(0, 7), changes, times), min_size=1, max_size=5)
in_requests = troubles(WAKE + 1, "jobs", "batches", "documents", "queue")
in_work = troubles(WAKE + 1, "jobs", "items", "groups", "documents", "queue", "event_queue")
in_sweeps = troubles(WAKE + 1, "schedule", "documents", "queue")
in_telling = troubles(WAKE + 1, "jobs", "webhooks", "deliveries", "delivery_queue")
in_deliveries = troubles(
    WAKE + 1, *("webhooks", "deliveries", "delivery_queue", "deliveries_waiting", "receivers")
)
in_changes = troubles(WAKE + 1, "webhooks", "delivery_queue")  # of webhooks
actions = st.lists(st.tuples(st.integers(0, WAKE), st.integers(0, 9)), max_size=3)
bad = [Answer(500), Answer(302), Answer(0, 10), Answer(410), Answer(None), Answer(204, 9.5)]
plans = st.lists(st.sampled_from(bad), min_size=1, max_size=7)
subscribed = st.sampled_from([["job.ended"], ["item.changed"], ["job.ended", "item.changed"]])
picks = st.lists(st.integers(0, 5), max_size=3)


class NotingJobs(LoggedJobs):
    """A store that lets somebody note each row when it is written."""

    noted: Any

    def write(self, job: Job) -> Job:
        self.noted(job)
        return super().write(job)


class _Logger:
    """Collects the exceptions that the product logs and that are no outage."""

    # A copy of a message whose job has ended has no claim check.
    _EXPECTED = (Unavailable, ClaimUnusable, JobEnded, NotDueYet, CommandInterrupted, NoTimeLeft, AssertionError)

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def ignore(self, *_: Any, **__: Any) -> None:
        """Write no line."""

    def exception(self, message: str, *_: Any, exc_info: object = None, **__: Any) -> None:
        error = exc_info if isinstance(exc_info, Exception) else sys.exception()
        if not isinstance(error, self._EXPECTED):
            self.unexpected.append(f"{message}: {error!r}")

    def warning(self, message: str, *_: Any, exc_info: object = None, **__: Any) -> None:
        if exc_info:
            self.exception(message, exc_info=exc_info)


class TimesAndEvents(AgainstModel):
    """The stage has a schedule, webhooks and receivers."""

    # --- the stage ------------------------------------------------------------------------------------------------

    def new_pipeline(self) -> TellingPipeline:
        pipeline = TellingPipeline(jobs=NotingJobs())
        pipeline.receivers = Receivers(self.clock.advance, self.requested)
        pipeline.jobs.noted = self.written  # type: ignore[attr-defined]
        pipeline.queue.noted = self.note
        return pipeline

    @initialize()
    def start(self) -> None:
        self.told = Told()
        self.sent_by: list[Sent | None] = []  # for each written row, the command if the job is new
        self.pendings: list[dict[str, Sent]] = [{}]  # of the requests that are running
        self.answered: set[str] = set()  # jobs that had a 202 when the running action began
        self.batches: dict[str, str] = {}  # their owners
        self.batch_of_key: dict[tuple[str, str], Any] = {}
        self.webhooks: dict[str, str] = {}  # their owners
        self.position: dict[str, int] = {}  # of jobs in their batches
        self.queued_at: dict[tuple[str, str], datetime] = {}  # of jobs and generations
        self.checked = 0  # written rows
        self.nested = False
        self.ahead = timedelta()  # the clock of the release
        self.during_sleep: list[tuple[int, int]] = []
        self.leaves_orphans = False
        self.logger = _Logger()
        super().start()
        assert isinstance(self.pipeline, TellingPipeline)
        self.stage = self.pipeline
        self.stack = ExitStack()
        self.stack.enter_context(_patched(self))
        self.unreliable = Interleaved(self.stage, self.act)
        for name in ("first", "second"):
            self.send(self.new_item(name, {}), [], "alice", None)
        super().work([], [])
        self.create_webhook("alice", ["job.ended", "item.changed"], None, [])
        self.create_webhook("bob", ["item.changed"], None, [])

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "stack"):
                self.stack.close()

    @contextmanager
    def process(self, planned: list[Fault]) -> Iterator[None]:
        """Run the block as one process, and read then what it has changed."""
        self.begin()
        with self.unreliable.process(*planned):
            yield
        self.read_changes()

    @contextmanager
    def clock_off_by(self, seconds: float) -> Iterator[None]:
        self.clock.now += timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.clock.now -= timedelta(seconds=seconds)

    def act(self, what: int, pick: int) -> None:
        """Let another process do something at a call of the one that runs."""
        self.nested = True
        rows = [*self.pipeline.jobs.rows.values()]
        job = rows[pick % len(rows)] if rows else None
        if what == CANCEL and job is not None:
            self.pipeline.request("DELETE", f"/jobs/{job.job_id}", owner=job.owner)
        elif what == WORK:
            self.pipeline.work()
        elif what == RELEASE:
            self.stage.release_once()
        elif what == TELL:
            self.stage.tell()
        elif what == DELIVER:
            self.stage.deliver()
        elif what == RETRY and job is not None:
            self.pipeline.request("POST", f"/jobs/{job.job_id}/retry", owner=job.owner)
        elif what == CHANGE:
            self.send(self.timed(self.change_of(pick, "small"), [None, 0.4, 3][pick % 3], None), [], "bob", None)
        elif what == REPEAT and self.by_key:
            (owner, key), sent = list(self.by_key.items())[pick % len(self.by_key)]
            if self.job_of(owner, key) is not None:
                self.send(sent, [], owner, key)
        elif what == PAUSE and self.webhooks:
            webhook_id, owner = list(self.webhooks.items())[pick % len(self.webhooks)]
            self.pipeline.request("PATCH", f"/webhooks/{webhook_id}", {"paused": pick % 2 == 0}, owner=owner)
            self.stage.wake()
        elif what == WAKE:
            self.stage.wake()
        self.nested = False

    # --- callers --------------------------------------------------------------------------------------------------

    def ask(
        self, method: str, target: str, body: Any, planned: list[Fault], owner: str, key: str | None = None
    ) -> Any:
        self.clock.advance(MOMENT)
        if self.nested:
            headers = {} if key is None else {"idempotency-key": key}
            return self.pipeline.request(method, target, body, owner=owner, headers=headers)
        self.begin()
        return super().ask(method, target, body, planned, owner, key)

    def begin(self) -> None:
        self.answered = {*self.accepted}

    def send(self, sent: Sent, planned: list[Fault], owner: str, key: str | None) -> None:
        earlier = self.by_key.get((owner, key)) if key is not None else None
        live = earlier is not None and self.job_of(owner, str(key)) is not None
        rows = len(self.pipeline.jobs.rows)
        self.pendings.append({"": sent})
        answer = self.ask(sent.method, sent.target, sent.sent_body, planned, owner, key)
        self.pendings.pop()
        if answer is not None and answer.status in (400, 422):
            # A new command may have a limit that has passed; a key may be that of another command.
            assert live or answer.status == 400
            assert earlier is None or not live or not self.is_same(sent, earlier)
            assert self.unreliable.acted or len(self.pipeline.jobs.rows) == rows
            return
        assert answer is None or answer.status in (202, 503), answer.text
        if answer is not None and answer.status == 202:
            is_other = live and earlier is not None and not self.is_same(sent, earlier)
            assert not is_other, "another command under the key of a live job"
            self.accepted.add(answer.json["id"])
            self.remember(sent, answer.json["item_id"])
        if key is not None and not live and self.job_of(owner, key) is not None:
            self.by_key[owner, key] = sent

    def is_same(self, one: Sent, other: Sent) -> bool:
        """Return whether these are the same command, whose raw form may have been sent once."""

        def identity(sent: Sent) -> Any:
            raw = sent.raw or {}
            item_id = raw.get("item_id") if raw else sent.target.removeprefix("/items").removeprefix("/") or None
            return sent.operation, sent.body, item_id, raw.get("not_before"), raw.get("not_after")

        return bool(identity(one) == identity(other))

    def timed(self, sent: Sent, before: float | None, after: float | None) -> Sent:
        """Return the command in its raw form, with times that are so many seconds ahead."""
        times = {"not_before": before, "not_after": after}
        stamps = {
            member: rfc3339(self.clock.now + timedelta(seconds=seconds))
            for member, seconds in times.items()
            if seconds is not None
        }
        raw = {**(sent.raw or {}), **stamps}
        return replace(sent, method="POST", target="/jobs", raw=raw)

    def new_item(self, name: str, more: dict[str, Any]) -> Sent:
        body = {"name": name, "description": "d", **more}
        return Sent("create", body, "POST", "/jobs", raw={"operation": "create", "item": body})

    def change_of(self, pick: int, name: str) -> Sent:
        """Return a command that changes an item, or deletes it."""
        change = CHANGES[name]
        item_id = self.ids[pick % len(self.ids)]
        if change is None:
            return Sent("delete", {}, "POST", "/jobs", raw={"operation": "delete", "item_id": item_id})
        raw = {"operation": "update", "item_id": item_id, "merge": change}
        return Sent("merge", change, "POST", "/jobs", raw=raw)

    @rule(name=names, more=fields, times=times, owner=owners, key=keys, planned=in_requests)
    def create_in_time(
        self, name: str, more: dict[str, Any], times: Times, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        self.send(self.timed(self.new_item(name, more), *times), planned, owner, key)

    @rule(pick=st.integers(0, 5), change=changes, times=times, owner=owners, key=keys, planned=in_requests)
    def change_in_time(
        self, pick: int, change: str, times: Times, owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        self.send(self.timed(self.change_of(pick, change), *times), planned, owner, key)

    @rule(commands=batches, owner=owners, key=keys, planned=in_requests)
    def send_batch(
        self, commands: list[tuple[int, str, Times]], owner: str, key: str | None, planned: list[Fault]
    ) -> None:
        sent = [
            self.timed(self.new_item("batch", {}) if pick > 5 else self.change_of(pick, change), *times)
            for pick, change, times in commands
        ]
        self.post_batch(sent, planned, owner, key)

    @precondition(lambda self: self.batch_of_key)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def repeat_batch(self, pick: int, planned: list[Fault]) -> None:
        (owner, key), sent = list(self.batch_of_key.items())[pick % len(self.batch_of_key)]
        self.post_batch(sent, planned, owner, key)

    def post_batch(self, sent: list[Sent], planned: list[Fault], owner: str, key: str | None) -> None:
        by_fingerprint = {}
        for each in sent:
            with suppress(Refusal):
                by_fingerprint[fingerprint(parse_command(each.raw, new_item_id=""))] = each
        self.pendings.append(by_fingerprint)
        answer = self.ask("POST", "/batches", {"commands": [each.raw for each in sent]}, planned, owner, key)
        self.pendings.pop()
        if key is not None and (owner, key) not in self.batch_of_key:
            self.batch_of_key[owner, key] = sent
        if answer is None or answer.status != 202:
            assert answer is None or answer.status in (400, 422, 503), answer.text
            return
        self.batches[answer.json["id"]] = owner
        for position, entry in enumerate(answer.json["entries"]):
            if "job" in entry:
                self.accepted.add(entry["job"]["id"])
                self.position[entry["job"]["id"]] = position
                self.remember(sent[position], entry["job"]["item_id"])

    @precondition(lambda self: self.batches)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def cancel_batch(self, pick: int, planned: list[Fault]) -> None:
        batch_id, owner = list(self.batches.items())[pick % len(self.batches)]
        answer = self.ask("DELETE", f"/batches/{batch_id}", None, planned, owner)
        assert answer is None or answer.status in (200, 404, 503), answer.text
        for entry in answer.json["entries"] if answer is not None and answer.status == 200 else ():
            if "job" in entry and "unchanged" not in entry:
                assert self.pipeline.jobs.rows[entry["job"]["id"]].status is Status.CANCELLED

    @precondition(lambda self: self.batches)
    @rule(pick=st.integers(0, 5), planned=in_requests)
    def retry_batch(self, pick: int, planned: list[Fault]) -> None:
        batch_id, owner = list(self.batches.items())[pick % len(self.batches)]
        before = dict(self.pipeline.jobs.rows)
        answer = self.ask("POST", f"/batches/{batch_id}/retry", None, planned, owner)
        assert answer is None or answer.status in (202, 404, 503), answer.text
        for entry in answer.json["entries"] if answer is not None and answer.status == 202 else ():
            job_id = entry.get("job", {}).get("id")
            if "unchanged" not in entry and job_id in before and before[job_id].status is Status.FAILED:
                assert self.pipeline.jobs.rows[job_id].retries > before[job_id].retries
                self.accepted.add(job_id)

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), seconds=st.sampled_from([1, 60, 7200]), planned=in_requests)
    def retry_with_limit(self, pick: int, seconds: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        body = {"not_after": rfc3339(self.clock.now + timedelta(seconds=seconds))}
        answer = self.ask("POST", f"/jobs/{job.job_id}/retry", body, planned, job.owner)
        assert answer is None or answer.status in (202, 404, 409, 503), answer.text
        if answer is not None and answer.status == 202 and job.status is Status.FAILED:
            assert self.pipeline.jobs.rows[job.job_id].retries > job.retries
            self.accepted.add(job.job_id)

    @precondition(lambda self: self.by_key)
    @rule(pick=st.integers(0), planned=in_requests)
    def replay(self, pick: int, planned: list[Fault]) -> None:
        super().replay(pick, planned)

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=in_requests)
    def cancel(self, pick: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        answer = self.ask("DELETE", f"/jobs/{job.job_id}", None, planned, job.owner)
        assert answer is None or answer.status in (200, 404, 409, 503), answer.text
        if answer is not None and answer.status == 200:
            assert self.pipeline.jobs.rows[job.job_id].status is Status.CANCELLED

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=in_requests)
    def retry(self, pick: int, planned: list[Fault]) -> None:
        super().retry(pick, planned)

    # --- webhooks and receivers -----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.webhooks) < 4)
    @rule(owner=owners, events=subscribed, key=st.none() | st.just("hook"), planned=in_changes)
    def create_webhook(self, owner: str, events: list[str], key: str | None, planned: list[Fault]) -> None:
        body = {"url": "https://example.com/hook", "events": events}
        answer = self.ask("POST", "/webhooks", body, planned, owner, key)
        assert answer is None or answer.status in (201, 422, 503), answer.text
        for each in self.stage.webhooks.rows.values():
            if each.webhook_id not in self.webhooks:
                self.webhooks[each.webhook_id] = each.owner
                self.told.since[each.webhook_id] = len(self.told.ends)

    @precondition(lambda self: self.webhooks)
    @rule(pick=st.integers(0, 3), paused=st.booleans(), planned=in_changes)
    def pause_or_resume(self, pick: int, paused: bool, planned: list[Fault]) -> None:
        webhook_id, owner = list(self.webhooks.items())[pick % len(self.webhooks)]
        answer = self.ask("PATCH", f"/webhooks/{webhook_id}", {"paused": paused}, planned, owner)
        assert answer is None or answer.status in (200, 404, 503), answer.text

    @precondition(lambda self: self.webhooks)
    @rule(pick=st.integers(0, 3), planned=in_changes)
    def delete_webhook(self, pick: int, planned: list[Fault]) -> None:
        webhook_id, owner = list(self.webhooks.items())[pick % len(self.webhooks)]
        answer = self.ask("DELETE", f"/webhooks/{webhook_id}", None, planned, owner)
        assert answer is None or answer.status in (200, 404, 503), answer.text

    @precondition(lambda self: self.stage.deliveries.rows)
    @rule(pick=st.integers(0, 9), planned=in_changes)
    def replay_event(self, pick: int, planned: list[Fault]) -> None:
        places = list(self.stage.deliveries.rows)
        owner, webhook_id, event_id = places[pick % len(places)]
        self.told.replayed.add((webhook_id, event_id))
        self.ask("POST", f"/webhooks/{webhook_id}/deliveries/{event_id}/replay", None, planned, owner)

    @precondition(lambda self: self.webhooks)
    @rule(pick=st.integers(0, 3), plan=plans)
    def receiver_changes(self, pick: int, plan: list[Answer]) -> None:
        self.stage.receivers.answers[list(self.webhooks)[pick % len(self.webhooks)]] = [*plan]

    def requested(self, webhook: Webhook, delivery: Delivery, status: int) -> None:
        """Note a request to a receiver."""
        head = self.stage.deliveries.head(delivery.line)
        is_head = head is not None and head.event_id == delivery.event_id
        self.told.request(webhook, delivery, status, is_head=is_head)

    # --- AWS and time ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pipeline.queue.waiting)
    @rule(pick=picks, behind=st.sampled_from(BEHIND), planned=in_work)
    def work(self, pick: list[int], behind: float, planned: list[Fault]) -> None:
        self.begin()
        with self.clock_off_by(-behind):
            super().work(pick, planned)
        # What a worker puts that was overtaken is found by the audit, if the worker then fails.
        self.leaves_orphans = self.leaves_orphans or (self.unreliable.failed and WORK in self.unreliable.acted)

    @rule(
        seconds=st.sampled_from([RELEASE_SECONDS, RELEASE_SECONDS, 25]),
        planned=in_sweeps,
        ahead=st.sampled_from(AHEAD),
        meanwhile=actions,
    )
    def sweep_schedule(
        self, seconds: float, planned: list[Fault], ahead: float, meanwhile: list[tuple[int, int]]
    ) -> None:
        rows, began = self.pipeline.jobs.rows, self.clock.now
        own = rfc3339(began + MINUTE)
        waiting = [rows[each] for each in self.accepted if rows[each].status is Status.SCHEDULED]
        held_up = {each.item for each in rows.values() if each.job_id not in self.accepted and each.waiting}
        self.during_sleep = [*meanwhile]
        self.ahead = timedelta(seconds=ahead)
        with self.clock_off_by(ahead), self.process(planned):
            self.stage.sweep_schedule(seconds)
        self.ahead = timedelta()
        self.during_sleep = []
        for job in waiting:
            if not planned and seconds == RELEASE_SECONDS and job.not_before is not None and job.not_before <= own and job.item not in held_up:
                assert rows[job.job_id].status is not Status.SCHEDULED, "a command was not released"
                queued = self.queued_at.get((job.job_id, job.generation), began)
                on_time = max(datetime.fromisoformat(job.not_before), began) + ON_TIME
                assert queued <= on_time, "a command was released too late"

    def sleep(self, seconds: float) -> None:
        """Let the time of a sleep pass, in which another process acts."""
        self.clock.advance(timedelta(seconds=seconds))
        if self.during_sleep:
            with self.clock_off_by(-self.ahead.total_seconds()):
                self.unreliable.elsewhere(*self.during_sleep.pop(0))

    @rule(pick=picks, seconds=st.sampled_from([TELLING_SECONDS, TELLING_SECONDS, 0.5]), planned=in_telling)
    def tell(self, pick: list[int], seconds: float, planned: list[Fault]) -> None:
        with self.process(planned):
            self.stage.tell(pick, seconds)

    @rule(pick=picks, seconds=st.sampled_from([TELLING_SECONDS, TELLING_SECONDS, 20]), planned=in_deliveries)
    def deliver(self, pick: list[int], seconds: float, planned: list[Fault]) -> None:
        with self.process(planned):
            self.stage.deliver(pick, seconds)

    @rule(planned=in_deliveries)
    def wake(self, planned: list[Fault]) -> None:
        with self.process(planned):
            self.stage.wake()

    def deduplication_lapses(self) -> None:
        """Do nothing: this comes with the time that passes."""

    @rule(seconds=st.sampled_from([0.4, 1, 5, 30, 61, 130, 301, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=seconds))

    @rule(days=st.sampled_from([1, 2, 8]))
    def days_pass(self, days: int) -> None:
        """Days may exceed what a job is kept for, but neither the release nor a message waits so long."""
        then = self.clock.now + timedelta(days=days)
        oldest = min((self.queued_since[entry[0]] for entry in self.pipeline.queue.waiting), default=self.clock.now)
        due = [datetime.fromisoformat(each.waiting.due.partition("#")[0]) for each in self.waiting()]
        if then < min([oldest + QUEUE_RETENTION, *(each + LATEST_RELEASE for each in due)]):
            self.pass_time(timedelta(days=days))

    def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)
        if duration > DEDUPLICATED_FOR:
            self.pipeline.queue.seen.clear()
        self.excuse_expired()

    @rule()
    def expired_rows_are_deleted(self) -> None:
        self.excuse_expired()
        rows = self.pipeline.jobs.rows
        for job_id in [job_id for job_id, job in rows.items() if job.is_expired(self.clock.now)]:
            del rows[job_id]
            self.accepted.discard(job_id)
            self.before.pop(job_id, None)

    def excuse_expired(self) -> None:
        """Events need not be told of a job that has expired before its end was told."""

        def is_there(job: Job) -> bool:
            row = self.pipeline.jobs.rows.get(job.job_id)
            return row is not None and not row.is_expired(self.clock.now)

        self.told.excuse_expired(self.stage.webhooks.all(), self.stage.deliveries.rows, is_there)

    def waiting(self) -> list[Job]:
        """Return the jobs in the schedule, without those whose command was never stored."""
        return [each for each in self.pipeline.jobs.rows.values() if each.waiting and not self.is_incomplete(each)]

    def is_incomplete(self, job: Job) -> bool:
        """Return whether the request of the job ended between its two writes."""
        waits_under = job.waiting and job.waiting.claim
        stored = waits_under is None or waits_under in self.pipeline.documents.current
        return job.status is Status.SCHEDULED and not stored and job.job_id not in self.accepted

    # --- checks ---------------------------------------------------------------------------------------------------

    def written(self, job: Job) -> None:
        """Note a row that is about to be written."""
        before = self.pipeline.jobs.rows.get(job.job_id)
        is_new = before is None or (before.created_at, before.fingerprint) != (job.created_at, job.fingerprint)
        pending = self.pendings[-1]
        self.sent_by.append((pending.get(job.fingerprint) or pending.get("")) if is_new else None)
        if job.status.done and (before is None or not before.status.done or before.generation != job.generation):
            self.told.commit(job)

    def note(self, message_id: str, envelope: Envelope) -> None:
        job_id, generation = envelope.deduplication_id.split(":")[:2]
        job = self.pipeline.jobs.rows.get(job_id)
        place = (job_id, generation)
        if place not in self.order.get(envelope.group_id, []):
            self.queued_at[place] = self.clock.now
            if job is not None and job.generation == generation and job.status is Status.SCHEDULED:
                self.check_release(job)
        super().note(message_id, envelope)

    def check_release(self, job: Job) -> None:
        """Check that the command is due, and that no other one of its item goes before it."""
        assert job.not_before is not None
        assert rfc3339(self.clock.now - self.ahead) >= job.not_before, "a command was released before its time"
        sent = self.order.get(job.item.group_id, [])
        for other in self.pipeline.jobs.rows.values():
            waits = other.status is Status.SCHEDULED and (other.job_id, other.generation) not in sent
            if other.item == job.item and waits and other.job_id in self.answered:
                assert self.due_place(other) >= self.due_place(job), "a command was released before an earlier one"

    def due_place(self, job: Job) -> tuple[str, str, int]:
        return job.not_before or "", job.created_at, self.position.get(job.job_id, 0)

    def check_change(self, job: Job) -> None:
        sent, self.checked = self.sent_by[self.checked], self.checked + 1
        if sent is not None:
            self.pending = sent
        before = self.before.get(job.job_id)
        is_same = before is not None and before.created_at == job.created_at
        if before is not None and is_same and job == replace(before, waiting=job.waiting):
            self.before[job.job_id] = job  # it has left the schedule, or is due there now
            return
        ends = is_same and job.status in (Status.SUCCEEDED, Status.FAILED)
        too_late = job.error is not None and job.error["type"].endswith(":too-late")
        refused = job.error is not None and job.error["status"] in self.refusals
        if ends and too_late:
            assert job.not_after is not None
            assert job.updated_at >= job.not_after, "a command was too late before its limit"
            self.before[job.job_id] = job
            return
        if ends and (job.status is Status.SUCCEEDED or refused):
            assert job.not_before is None or job.updated_at >= job.not_before, "it took effect before its time"
            assert job.not_after is None or job.updated_at <= job.not_after, "it took effect after its limit"
        super().check_change(job)

    def process_everything(self) -> None:
        self.stage.receivers.answers.clear()
        for webhook_id, owner in self.webhooks.items():
            stored = self.stage.webhooks.get(owner, webhook_id)
            if stored is not None and stored.paused:
                self.ask("PATCH", f"/webhooks/{webhook_id}", {"paused": False}, [], owner)
        for _ in range(1000):
            self.process_what_is_due()
            times = [each.visible for each in self.stage.later_waiting.waiting]
            for job in self.pipeline.jobs.rows.values():
                if job.waiting is not None:
                    due = datetime.fromisoformat(job.waiting.due.partition("#")[0])
                    times += [due + 3 * SECOND, datetime.fromisoformat(job.created_at) + FOUND_AFTER]
            next_time = min((each for each in times if each > self.clock.now), default=None)
            if next_time is None:
                break
            self.pass_time(next_time - self.clock.now)

    def process_what_is_due(self) -> None:
        """Let all functions run until nothing is left that is due now."""
        for _ in range(1000):
            with self.process([]):
                self.stage.release_once()
                before = [*self.pipeline.queue.waiting]
                self.pipeline.work()
                ran = [self.stage.tell(), self.stage.deliver(), self.stage.wake()]
            if not before and not any(ran):
                return
            if len(self.pipeline.queue.waiting) == len(before):
                self.clock.advance(SECOND)  # a command is not due by the worker's clock

    def check_settled(self) -> None:
        if self.leaves_orphans:
            items = {each.document.key for each in self.pipeline.items.rows.values()}
            kept = {each.kept.claim for each in self.pipeline.jobs.rows.values() if each.kept}
            for key in [each for each in self.pipeline.documents.current if not each.startswith("scheduled/")]:
                if key not in items | kept:
                    del self.pipeline.documents.current[key]
            self.leaves_orphans = False
        super().check_settled()
        stage = self.stage
        for queue in (stage.events_waiting, stage.deliveries_waiting, stage.later_waiting):
            assert not queue.waiting
        assert not self.waiting(), "a job waits that was not released"
        assert not stage.documents.keys("scheduled/")
        for webhook in stage.webhooks.all():
            place = (webhook.owner, webhook.webhook_id)
            deliveries = {event: each for (*hook, event), each in stage.deliveries.rows.items() if (*hook,) == place}
            missing = self.told.missing(webhook, deliveries, self.must_be_told)
            assert not missing, f"events were never told: {missing}"
            pending = [each for each in deliveries.values() if each.state is DeliveryState.PENDING]
            assert not pending, "deliveries wait, and nothing wakes them"
        self.told.check_order(self.order)
        assert not self.logger.unexpected, self.logger.unexpected

    def must_be_told(self, job: Job) -> bool:
        """Return whether the end must be told: it is not undone, and the job was accepted or has a message."""
        row = self.pipeline.jobs.rows.get(job.job_id)
        has_message = (job.job_id, job.generation) in self.order.get(job.item.group_id, [])
        is_undone = row is not None and row.generation != job.generation
        return not is_undone and (has_message or job.job_id in self.accepted)


@contextmanager
def _patched(machine: TimesAndEvents) -> Iterator[None]:
    """Let the release and the functions that tell run in one thread, with the machine's time and the same ids."""
    numbers = count()

    def digest() -> str:
        return sha256(str(next(numbers)).encode()).hexdigest()

    class Time:
        sleep = staticmethod(machine.sleep)
        perf_counter = staticmethod(time.perf_counter)

    chalicelib = "worker_lambda.chalicelib"
    with ExitStack() as stack:
        for name, value in {
            "jobpipe.domain.scheduled.SHARDS": (SHARD,),
            f"{chalicelib}.releasing.sweep.SHARDS": (SHARD,),
            f"{chalicelib}.releasing.sweep._shards": Inline,
            f"{chalicelib}.releasing.release._markers": Inline,
            f"{chalicelib}.telling.together._threads": Inline,
            f"{chalicelib}.releasing.sweep.time": Time,
            f"{chalicelib}.execute.time": Time,
            f"{chalicelib}.releasing.release.PAGE": 3,
            f"{chalicelib}.telling.tell.STORED_TOGETHER": 2,
            f"{chalicelib}.telling.wait.SWEEP_PAGE": 2,
            "jobpipe.domain.queue_message.MAX_WAITING_BYTES": 250,
            "secrets.token_hex": lambda size: digest()[: 2 * size],
            "api_lambda.chalicelib.submitting.submit.token_hex": lambda size: digest()[: 2 * size],
            "uuid.uuid4": lambda: UUID(digest()[:32], version=4),
        }.items():
            stack.enter_context(patch(name, value))
        stack.enter_context(patch.object(meter, "write"))
        lines = machine.logger
        for method in ("error", "info", "log"):
            stack.enter_context(patch.object(logger, method, lines.ignore))
        stack.enter_context(patch.object(logger, "exception", lines.exception))
        stack.enter_context(patch.object(logger, "warning", lines.warning))
        yield


TestTimesAndEvents = TimesAndEvents.TestCase
TestTimesAndEvents.settings = settings(settings(), stateful_step_count=50)
