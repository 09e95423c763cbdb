"""Random histories of the pipeline are compared with a reference model: the dict of a synchronous API.

Several callers send, replay, cancel and retry. The worker gets batches of some items before those of others, twice
or late; days pass, and rows expire; at any call a process may end, or a store may fail. In each history the effects
are those of the model for the same commands in the order in which they took effect.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import QUEUE_RETENTION
from tests.faults.histories.random_commands import (
    LoggedJobs,
    Sent,
    faults,
    fields,
    keys,
    names,
    owners,
    patched_product,
)
from tests.faults.models.synchronous import SynchronousModel
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.unreliable import Clock, Fault, Unreliable


class AgainstModel(RuleBasedStateMachine):
    """The model applies the log of the jobs table, and everything else is compared with it."""

    refusals = frozenset({404, 409, 412})  # the statuses of refusals by a rule

    @initialize()
    def start(self) -> None:
        self.clock = Clock()
        self.patches = patched_product(self.clock)
        self.patches.__enter__()
        self.pipeline = self.new_pipeline()
        self.unreliable = Unreliable(self.pipeline)
        self.model = SynchronousModel()
        self.ids = ["no-such-item"]
        self.sent: dict[str, Sent] = {}  # by fingerprint
        self.accepted: set[str] = set()  # jobs that were answered 202
        self.by_key: dict[tuple[str, str], Sent] = {}
        self.read = 0  # entries of the log
        self.before: dict[str, Job] = {}
        self.order: dict[str, list[tuple[str, str]]] = {}  # item → its jobs' generations, ordered by message
        self.queued_since: dict[str, Any] = {}  # message → when
        self.place: dict[str, int] = {}  # item → place of the last command that took effect
        self.states: list[list[dict[Any, Any]]] = []  # of the model, since the beginning of the batch

    def new_pipeline(self) -> Pipeline:
        return Pipeline(jobs=LoggedJobs())

    def teardown(self) -> None:
        if hasattr(self, "patches"):
            try:
                self.settle()
            finally:
                self.take_back()

    def take_back(self) -> None:
        """End what the history has replaced in the product, the last first."""
        self.patches.__exit__(None, None, None)

    # --- callers --------------------------------------------------------------------------------------------------

    def ask(
        self, method: str, target: str, body: Any, planned: list[Fault], owner: str, key: str | None = None
    ) -> Answer | None:
        """Send a request; return None if its process died."""
        answer = None
        headers = {} if key is None else {"idempotency-key": key}
        with self.unreliable.process(*planned):
            answer = self.pipeline.request(method, target, body, owner=owner, headers=headers)
        self.read_changes()
        return answer

    def send(self, sent: Sent, planned: list[Fault], owner: str, key: str | None) -> None:
        earlier = self.by_key.get((owner, key)) if key is not None else None
        live = earlier is not None and self.job_of(owner, str(key)) is not None
        rows = len(self.pipeline.jobs.rows)
        self.pending = sent
        answer = self.ask(sent.method, sent.target, sent.sent_body, planned, owner, key)
        if answer is not None and answer.status == 422:
            assert live
            assert sent != earlier
            assert len(self.pipeline.jobs.rows) == rows
            return
        assert answer is None or answer.status in (202, 503), answer.text
        if answer is not None and answer.status == 202:
            assert not live or sent == earlier, "another command under the key of a live job"
            self.accepted.add(answer.json["id"])
            self.remember(sent, answer.json["item_id"])
        if key is not None and not live and self.job_of(owner, key) is not None:
            self.by_key[owner, key] = sent

    def remember(self, sent: Sent, item_id: str) -> None:
        """Note the id of a new item, to which later commands are sent."""
        if sent.operation == "create" and item_id not in self.ids:
            self.ids.append(item_id)

    def job_of(self, owner: str, key: str) -> Job | None:
        """Return the live job of a key, whose id is derived as in the product."""
        from jobpipe.domain.jobs.job import _job_id  # noqa: PLC0415

        job = self.pipeline.jobs.rows.get(_job_id(owner, key))
        return None if job is None or job.is_expired(self.clock.now) else job

    @rule(name=names, more=fields, owner=owners, key=keys, planned=faults)
    def create(self, name: str, more: dict[str, Any], owner: str, key: str | None, planned: list[Fault]) -> None:
        body = {"name": name, "description": "d", **more}
        self.send(Sent("create", body, "POST", "/items"), planned, owner, key)

    @rule(
        pick=st.integers(0),
        more=fields,
        name=names | st.none(),
        way=st.sampled_from([("set", "PUT"), ("merge", "PATCH")]),
        owner=owners,
        key=keys,
        planned=faults,
    )
    def update(
        self,
        pick: int,
        more: dict[str, Any],
        name: str | None,
        way: tuple[str, str],
        owner: str,
        key: str | None,
        planned: list[Fault],
    ) -> None:
        operation, method = way
        body = {**more, **({"name": name} if name else {})}
        if operation == "set":
            body["touched"] = True  # a PUT without any field is refused
        self.send(Sent(operation, body, method, self.target(pick)), planned, owner, key)

    @rule(pick=st.integers(0), owner=owners, key=keys, planned=faults)
    def delete(self, pick: int, owner: str, key: str | None, planned: list[Fault]) -> None:
        self.send(Sent("delete", {}, "DELETE", self.target(pick)), planned, owner, key)

    @precondition(lambda self: self.by_key)
    @rule(pick=st.integers(0), planned=faults)
    def replay(self, pick: int, planned: list[Fault]) -> None:
        (owner, key), sent = list(self.by_key.items())[pick % len(self.by_key)]
        self.send(sent, planned, owner, key)

    def target(self, pick: int) -> str:
        return f"/items/{self.ids[pick % len(self.ids)]}"

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=faults)
    def cancel(self, pick: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        answer = self.ask("DELETE", f"/jobs/{job.job_id}", None, planned, job.owner)
        after = self.pipeline.jobs.rows.get(job.job_id)
        if answer is not None and answer.status == 200:
            assert after is not None
            assert after.status is Status.CANCELLED
        elif answer is not None and answer.status == 409:
            assert after is not None
            assert after.status in (Status.SUCCEEDED, Status.FAILED)
        else:
            assert answer is None or answer.status in (404, 503), answer.text

    @precondition(lambda self: self.pipeline.jobs.rows)
    @rule(pick=st.integers(0), planned=faults)
    def retry(self, pick: int, planned: list[Fault]) -> None:
        job = self.job_at(pick)
        answer = self.ask("POST", f"/jobs/{job.job_id}/retry", None, planned, job.owner)
        assert answer is None or answer.status in (202, 404, 409, 503), answer.text
        if answer is not None and answer.status == 202 and job.status is Status.FAILED:
            assert self.pipeline.jobs.rows[job.job_id].retries > job.retries
            self.accepted.add(job.job_id)

    def job_at(self, pick: int) -> Job:
        return list(self.pipeline.jobs.rows.values())[pick % len(self.pipeline.jobs.rows)]

    # --- AWS and time ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pipeline.queue.waiting)
    @rule(pick=st.lists(st.integers(0, 5), max_size=3), planned=faults)
    def work(self, pick: list[int], planned: list[Fault]) -> None:
        """Process a batch of some groups before those of others; each group stays in order."""
        queue = self.pipeline.queue
        groups = list(dict.fromkeys(envelope.group_id for _, envelope, _ in queue.waiting))
        chosen = {groups[i % len(groups)] for i in pick} or set(groups)
        queue.waiting.sort(key=lambda entry: entry[1].group_id not in chosen)  # stable: groups keep their order
        most = min(10, sum(envelope.group_id in chosen for _, envelope, _ in queue.waiting))
        with self.unreliable.process(*planned):
            self.pipeline.work(most)
        self.read_changes()

    @precondition(lambda self: self.pipeline.queue.waiting)
    @rule(pick=st.integers(0))
    def deliver_one_twice(self, pick: int) -> None:
        waiting = self.pipeline.queue.waiting
        message_id, envelope, count = waiting[pick % len(waiting)]
        waiting.append((f"{message_id}+", envelope, count))
        self.queued_since[f"{message_id}+"] = self.queued_since[message_id]

    @precondition(lambda self: self.pipeline.queue.waiting)
    @rule(planned=faults)
    def give_up_the_first(self, planned: list[Fault]) -> None:
        """SQS moves a message to the dead letters, and delivers the rest of its group."""
        queue = self.pipeline.queue
        rest, queue.waiting = queue.waiting[1:], queue.waiting[:1]
        with self.unreliable.process(*planned):
            self.pipeline.end_dead_letters()
        queue.waiting += rest
        self.read_changes()

    @rule()
    def deduplication_lapses(self) -> None:
        self.pipeline.queue.seen.clear()

    @rule(days=st.integers(1, 13))
    def days_pass(self, days: int) -> None:
        """Days may exceed the retention of jobs, but not that of waiting messages."""
        oldest = min((self.queued_since[entry[0]] for entry in self.pipeline.queue.waiting), default=self.clock.now)
        if self.clock.now + timedelta(days=days) < oldest + QUEUE_RETENTION:
            self.clock.advance(timedelta(days=days))
            self.pipeline.queue.seen.clear()

    @rule()
    def expired_rows_are_deleted(self) -> None:
        """DynamoDB's TTL deletes them some time later."""
        rows = self.pipeline.jobs.rows
        for job_id in [job_id for job_id, job in rows.items() if job.is_expired(self.clock.now)]:
            del rows[job_id]
            self.accepted.discard(job_id)
            self.before.pop(job_id, None)

    # --- checks ---------------------------------------------------------------------------------------------------

    def read_changes(self) -> None:
        """Read the messages and the rows that are new since the last call."""
        for message_id, envelope, _ in self.pipeline.queue.waiting:
            if message_id not in self.queued_since:
                self.note(message_id, envelope)
        self.states = [self.state()]
        jobs = self.pipeline.jobs
        assert isinstance(jobs, LoggedJobs)
        for job in jobs.log[self.read :]:
            self.check_change(job)
        self.read = len(jobs.log)

    def note(self, message_id: str, envelope: Envelope) -> None:
        """Note when a message came, and its place among those of its item."""
        self.queued_since[message_id] = self.clock.now
        job_id, generation = envelope.deduplication_id.split(":")[:2]  # a third part prevents deduplication
        generations = self.order.setdefault(envelope.group_id, [])
        if (job_id, generation) not in generations:
            generations.append((job_id, generation))
        self.check_message(envelope)

    def check_message(self, envelope: Envelope) -> None:
        """Check a new message."""

    def expected(self, job: Job, sent: Sent) -> int:
        """Apply the command to the model, and return the status of its outcome."""
        return self.model.apply(job.item_id, sent.operation, sent.body)

    def model_documents(self) -> list[dict[Any, Any]]:
        """Return the documents of the model."""
        return [self.model.items]

    def own_document(self, job: Job) -> Any:
        """Return the document that the model has for the item of the job."""
        return self.model.items.get(job.item_id)

    def state(self) -> list[dict[Any, Any]]:
        return [dict(documents) for documents in self.model_documents()]

    def restore(self, state: list[dict[Any, Any]]) -> None:
        for documents, saved in zip(self.model_documents(), state, strict=True):
            documents.clear()
            documents.update(saved)

    def possible(self, job: Job, sent: Sent, *, refused: bool) -> set[int]:
        """Return the statuses that the outcome may have; apply the command to the model unless it was refused.

        A success is committed together with its job. A refusal is judged a moment before its job ends, and items
        are processed in parallel: another item may have changed in between, so the states since the beginning of
        the batch count too. The item itself cannot change meanwhile.
        """
        if not refused:
            return {self.expected(job, sent)}
        present, own, found = self.state(), self.own_document(job), set()
        for state in (*self.states, present):
            self.restore(state)
            if self.own_document(job) == own:
                found.add(self.expected(job, sent))
        self.restore(present)
        return found

    def check_change(self, job: Job) -> None:
        before = self.before.get(job.job_id)
        self.before[job.job_id] = job
        if before is None or before.created_at != job.created_at or before.fingerprint != job.fingerprint:
            # A new job, or one that replaces an expired one with the same id.
            # The bucket's lifecycle deletes the claim check of the expired one.
            self.sent[job.fingerprint] = self.pending
            self.accepted.discard(job.job_id)
            documents = self.pipeline.documents
            for key in documents.keys(f"claims/{job.job_id}/"):
                if key.split("/")[2] != job.generation:
                    documents.current.pop(key)
            return
        if before.status.done:  # an ended job changes only by a retry
            assert before.status is Status.FAILED
            assert job.status is Status.QUEUED
            assert job.generation != before.generation
            return
        assert job.attempts <= 5
        sent = self.sent[job.fingerprint]
        refused = job.status is Status.FAILED and job.error is not None and job.error["status"] in self.refusals
        if job.status is Status.SUCCEEDED or refused:
            group = job.item.group_id
            place = self.order[group].index((job.job_id, job.generation))
            assert place > self.place.get(group, -1), "the commands of an item ended out of order"
            self.place[group] = place
            status = job.error["status"] if job.error else 200
            assert status in self.possible(job, sent, refused=refused)
            self.states.append(self.state())

    @invariant()
    def the_list_has_exactly_the_committed_items(self) -> None:
        if hasattr(self, "pipeline"):
            listed = {item.pop("id"): item for item in self.pipeline.request("GET", "/items?limit=100").json}
            assert listed == self.model.items

    @rule()
    def settle(self) -> None:
        """Process everything without faults, and check that all stores agree."""
        self.process_everything()
        self.check_settled()

    def process_everything(self) -> None:
        for _ in range(1000):
            if not self.pipeline.queue.waiting:
                break
            with self.unreliable.process():
                self.pipeline.work()
            self.read_changes()

    def has_had(self, job: Job, generation: str) -> bool:
        """Return whether the generation is one of this job, and not of an expired one with the same id."""
        jobs = self.pipeline.jobs
        assert isinstance(jobs, LoggedJobs)
        earlier = [each for each in jobs.log if (each.job_id, each.generation) == (job.job_id, generation)]
        return any(each.created_at == job.created_at for each in earlier)

    def check_settled(self) -> None:
        assert not self.pipeline.queue.waiting
        rows = self.pipeline.jobs.rows
        assert all(rows[job_id].status.done for job_id in self.accepted), "an accepted command never ended"
        # The bucket's lifecycle deletes the claim checks of expired jobs, whose ids new jobs may have; and the
        # audit deletes those of jobs that were never answered 202.
        for key in self.pipeline.documents.keys("claims/"):
            _, job_id, generation, _ = key.split("/")
            job = rows.get(job_id)
            needed = job is not None and job.kept is not None and job.kept.claim == key
            if not needed and (job is None or job_id not in self.accepted or not self.has_had(job, generation)):
                self.pipeline.documents.current.pop(key)
        self.pipeline.check_locks_and_documents()
        assert not self.pipeline.parked.messages


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(settings(), stateful_step_count=40)
