"""The stage of random histories of scheduled commands and of events, and what is noted of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from jobpipe.domain.events.delivery import Delivery
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.jobs.job import Job
from tests.faults.histories.random_commands import LoggedJobs, Sent
from tests.faults.models.notified_model import Notified
from tests.faults.schedules.interleaved import Interleaved, troubles
from tests.faults.stage.notifying_stage import NotifyingPipeline, Receivers
from tests.faults.stage.one_thread import LogLines, one_thread
from tests.faults.test_against_model import AgainstModel
from tests.helpers.unreliable import Fault

MOMENT = timedelta(milliseconds=1)
CANCEL, WORK, RELEASE, NOTIFY, DELIVER, RETRY, CHANGE, REPEAT, PAUSE, WAKE = ACTIONS = range(10)
"""What another process can do at a call of one."""

BEHIND = (0, 0, 0, 3)  # seconds by which the clock of a function is behind

in_requests = troubles(
    len(ACTIONS),
    *("jobs.put_new", "jobs.get", "jobs.fail", "jobs.cancel", "jobs.requeue", "batches.put_new", "batches.jobs"),
    *("documents.put", "documents.keys", "queue.send", "queue.send_batch"),
)
in_work = troubles(
    len(ACTIONS),
    *("groups.commit", "items.commit", "jobs.fail", "jobs.begin_attempt", "jobs.get"),
    *("documents.put", "documents.delete", "queue.delete", "event_queue.send_ended", "event_queue.send_ended"),
)
in_sweeps = troubles(
    len(ACTIONS),
    *("schedule.due", "schedule.jobs", "schedule.mark_queued", "schedule.forget"),
    *("queue.send_batch", "queue.send_batch", "queue.send"),
    *("documents.get_by_key", "documents.put", "documents.delete"),
)
in_notifications = troubles(
    len(ACTIONS),
    *(
        "jobs.get",
        "webhooks.all",
        "deliveries.add",
        "deliveries.find_missing",
        "deliveries.first",
        "delivery_queue.deliver_now",
    ),
)
in_deliveries = troubles(
    len(ACTIONS),
    *("webhooks.get", "deliveries.head", "deliveries.record", "receivers.post", "webhooks.record_outcome"),
    *("webhooks.pause", "delivery_queue.deliver_later", "delivery_queue.deliver_now", "delivery_queue.sweep"),
)
in_changes = troubles(
    len(ACTIONS), "webhooks.get", "webhooks.put_new", "webhooks.replace", "webhooks.delete", "delivery_queue.sweep"
)
picks = st.lists(st.integers(0, 5), max_size=3)


class NotingJobs(LoggedJobs):
    """A store that lets somebody note each row when it is written."""

    noted: Any

    def write(self, job: Job) -> Job:
        self.noted(job)
        return super().write(job)


class HistoryStage(AgainstModel):
    """A stage with a schedule, webhooks and receivers."""

    def new_pipeline(self) -> NotifyingPipeline:
        pipeline = NotifyingPipeline(jobs=NotingJobs())
        pipeline.receivers = Receivers(self.answer_takes, self.requested)
        pipeline.jobs.noted = self.written  # type: ignore[attr-defined]
        pipeline.queue.noted = self.note
        return pipeline

    @initialize()
    def start(self) -> None:
        self.notified = Notified()
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
        self.lines = LogLines()
        self.broken: list[AssertionError] = []  # what was found where the product handles exceptions
        self.stack = ExitStack()
        super().start()
        assert isinstance(self.pipeline, NotifyingPipeline)
        self.stage = self.pipeline
        self.stack.enter_context(one_thread(self.sleep, self.lines))
        self.unreliable = self.interleaved = Interleaved(self.stage, self.act)

    def take_back(self) -> None:
        self.stack.close()  # before the others: both replace methods of the logger
        super().take_back()

    @contextmanager
    def process(self, planned: list[Fault]) -> Iterator[None]:
        """Run the block as one process, and read then what it has changed."""
        self.begin()
        with self.unreliable.process(*planned):
            yield
        self.read_changes()

    def answer_takes(self, duration: timedelta) -> None:
        """Let the time of a receiver's answer pass, but not in the middle of the attempt of a worker."""
        if not self.nested:
            self.clock.advance(duration)

    @contextmanager
    def clock_off_by(self, seconds: float) -> Iterator[None]:
        self.clock.now += timedelta(seconds=seconds)
        try:
            yield
        finally:
            self.clock.now -= timedelta(seconds=seconds)

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

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Keep a failed check for the end of the action: the product would handle it as a fault of its own."""
        try:
            yield
        except AssertionError as error:
            self.broken.append(error)

    @invariant()
    def nothing_is_broken(self) -> None:
        if getattr(self, "broken", []):
            raise self.broken[0]

    def act(self, what: int, pick: int) -> None:
        """Let another process do something at a call of the one that runs."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Let the time of a sleep pass."""
        raise NotImplementedError

    def requested(self, webhook: Webhook, delivery: Delivery, status: int) -> None:
        """Note a request to a receiver."""
        raise NotImplementedError

    def written(self, job: Job) -> None:
        """Note a row that is about to be written."""
        before = self.pipeline.jobs.rows.get(job.job_id)
        is_new = before is None or (before.created_at, before.fingerprint) != (job.created_at, job.fingerprint)
        pending = self.pendings[-1]
        self.sent_by.append((pending.get(job.fingerprint) or pending.get("")) if is_new else None)
        if job.status.done and (before is None or not before.status.done or before.generation != job.generation):
            self.notified.commit(job)
