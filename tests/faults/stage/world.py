"""The surroundings of the Lambdas: callers and what they know, queues, receivers of webhooks, and time."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.jobs.batch import is_batch_id
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.jobs.batch_rows import batch_from_row
from tests.faults.histories.history import History, SentCommand
from tests.faults.histories.history import Snapshot as HistorySnapshot
from tests.faults.schedules.injection import Injector, ProcessDied
from tests.faults.schedules.kinds import Kind
from tests.faults.stage.emulator import Emulator
from tests.faults.stage.emulator import Snapshot as EmulatorSnapshot
from tests.faults.stage.events import as_request, http_event, raw_command
from tests.faults.stage.lambdas import Lambdas, open_client
from tests.faults.stage.queues import DEDUPLICATION_SECONDS, Queues
from tests.faults.stage.receivers import Receivers
from tests.faults.stage.shelves import index_rows
from tests.helpers.pipeline import Answer, Context

_MOST_REPEATS = 16  # their pauses double, so they last longer than any outage here
_OK = 200
_ACCEPTED = 202
_CONFLICT = 409
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Snapshot:
    """A stage, and what its callers know."""

    emulator: EmulatorSnapshot
    elapsed: float
    history: HistorySnapshot
    garbage: frozenset[str]
    receivers: Receivers | None


class World(Queues):
    """A stage with its callers."""

    def __init__(self, emulator: Emulator, injector: Injector, lambdas: Lambdas) -> None:
        super().__init__(emulator, injector, lambdas)
        self.s3 = open_client("s3", emulator)
        self.audit_clients = AwsClients(make=lambda service, **_: open_client(service, emulator))
        emulator.reset()
        for row in index_rows():
            self.call("PutItem", TableName=self.outputs["CollectionsTable"], Item=row)
        self._empty = emulator.snapshot()
        self.history = History()

    def begin(self, snapshot: Snapshot | None = None) -> None:
        """Restore the snapshot, or an empty stage."""
        self.emulator.restore(snapshot.emulator if snapshot else self._empty)
        self.emulator.clock.elapsed = snapshot.elapsed if snapshot else 0
        self.history.restore(snapshot.history if snapshot else [])
        self.garbage = set(snapshot.garbage) if snapshot else set()
        self.receivers = copy.deepcopy(snapshot.receivers) if snapshot else None
        self.injector.reset()
        self.lambdas.unexpected.clear()
        self.lambdas.limit_owners(0)
        self.injector.overtake = self._overtake
        self._open_receivers()

    def _open_receivers(self) -> None:
        """Let the Lambdas have events if there are receivers, and deliver to these."""
        bus = "" if self.receivers is None else self.receivers.bus
        tasks = self.receivers is not None and self.receivers.tasks
        self.lambdas.set_events(on=self.receivers is not None, bus=bus, tasks=tasks)
        if self.receivers is not None:
            self.lambdas.post = self.receivers.post

    def with_receivers(self, bus: str = "", *, tasks: bool = False) -> Receivers:
        """Give the stage events, perhaps a bus and TaskTokens; return the receivers of its future webhooks."""
        self.receivers = Receivers(bus=bus, tasks=tasks)
        self._open_receivers()
        self.lambdas.forget_services()
        return self.receivers

    def snapshot(self) -> Snapshot:
        return Snapshot(
            self.emulator.snapshot(),
            self.emulator.clock.elapsed,
            self.history.snapshot(),
            frozenset(self.garbage),
            copy.deepcopy(self.receivers),
        )

    def request(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Send a request; return None if its process dies."""
        event = http_event(method, target, body, {"content-type": "application/json", **(headers or {})})
        with self.injector.process("api") as process, suppress(ProcessDied):
            answer = self.lambdas.api.app(event, Context())
        if process.died:
            self.lambdas.restart("api_lambda")
            return None
        return Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer["body"])

    def insist(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Repeat a request until it is answered; for requests that may be repeated."""
        pause = 1.0
        for _ in range(_MOST_REPEATS):
            answer = self.request(method, target, body, headers)
            if answer is not None and answer.status < _SERVER_ERROR:
                return answer
            self._before_a_repeat()
            self.emulator.clock.sleep(pause)
            pause *= 2
        raise AssertionError(f"{method} {target} is never answered: {answer}")

    def ask(self, command: SentCommand, *, key: str | None) -> SentCommand:
        """Send a command; without an Idempotency-Key the caller does not repeat it."""
        method, target, body, headers = as_request(command)
        self.history.commands.append(command)
        if key is not None:
            answer: Answer | None = self.insist(method, target, body, {**headers, "idempotency-key": key})
        else:
            before, calls = self._job_ids(), len(self.injector.points)
            answer = self.request(method, target, body, headers)
            command.job_id = next(iter(self._job_ids() - before), "")
            command.withdrawn = answer is not None and self._failed_only_to_send(calls)
        if answer is not None and answer.status < _SERVER_ERROR:
            assert answer.status == _ACCEPTED, answer.text
            assert command.job_id in {"", answer.json["id"]}
            command.job_id, command.item_id, command.accepted = answer.json["id"], answer.json["item_id"], True
        return command

    def replay(self, command: SentCommand, key: str) -> None:
        """Send the same request again, as a caller who did not get the answer."""
        method, target, body, headers = as_request(command)
        answer = self.insist(method, target, body, {**headers, "idempotency-key": key})
        assert (answer.status, answer.json["id"]) == (_ACCEPTED, command.job_id), answer.text
        assert answer.json["item_id"] == command.item_id

    def ask_batch(self, commands: Sequence[SentCommand], *, key: str | None) -> str:
        """Send commands in a batch, with a key until each of them is a job; return the batch's id."""
        self.history.commands += commands
        if key is not None:
            return self._insist_on_batch(commands, key)
        before, calls = self._job_rows(), len(self.injector.points)
        answer = self.request("POST", "/batches", {"commands": [raw_command(command) for command in commands]})
        self._find_jobs(commands, self._job_rows().keys() - before.keys())
        entries = answer.json.get("entries") if answer is not None and answer.status == _ACCEPTED else None
        for command, entry in zip(commands, entries or [{}] * len(commands), strict=True):
            if "job" in entry:
                self._accept(command, entry["job"])
            else:
                command.withdrawn = answer is not None and self._failed_only_to_send(calls)
        return answer.json["id"] if entries and answer is not None else ""

    def replay_batch(self, commands: Sequence[SentCommand], key: str) -> None:
        """Send the same batch again, as a caller who did not get the answer."""
        assert all(command.accepted for command in commands)
        self._insist_on_batch(commands, key)

    def _insist_on_batch(self, commands: Sequence[SentCommand], key: str) -> str:
        pause = 1.0
        for _ in range(_MOST_REPEATS):
            body = {"commands": [raw_command(command) for command in commands]}
            answer = self.insist("POST", "/batches", body, {"idempotency-key": key})
            assert answer.status == _ACCEPTED, answer.text
            for command, entry in zip(commands, answer.json["entries"], strict=True):
                if "job" in entry:
                    self._accept(command, entry["job"])
                else:
                    assert entry["problem"]["status"] >= _SERVER_ERROR, entry
            if all("job" in entry for entry in answer.json["entries"]):
                return str(answer.json["id"])
            self._before_a_repeat()
            self.emulator.clock.sleep(pause)
            pause *= 2
        raise AssertionError(f"a batch is never queued as a whole: {answer}")

    def _accept(self, command: SentCommand, job: Any) -> None:
        assert command.job_id in {"", job["id"]}
        assert not command.accepted or command.item_id == job["item_id"]
        command.job_id, command.item_id, command.accepted = job["id"], job["item_id"], True

    def _find_jobs(self, commands: Sequence[SentCommand], new: set[str]) -> None:
        """Set the job ids of the commands from the row of the batch."""
        rows = self._job_rows(batches=True)
        for batch in (batch_from_row(rows[each]) for each in rows if is_batch_id(each)):
            for place, command in enumerate(commands):
                if batch.job_id(place) in new:
                    command.job_id = batch.job_id(place)

    def cancel(self, command: SentCommand) -> None:
        """Request a cancel until it is answered."""
        answer = self.insist("DELETE", f"/jobs/{command.job_id}")
        assert answer.status in {_OK, _CONFLICT}, answer.text
        command.cancelled = answer.status == _OK

    def dismiss(self, command: SentCommand) -> None:
        """Request a dismissal until it is answered, and check that the job is listed only if it is refused."""
        answer = self.insist("POST", f"/jobs/{command.job_id}/dismiss")
        assert answer.status in {_OK, _CONFLICT}, answer.text
        if answer.status == _OK:
            assert answer.json["status"] == "failed", answer.text
            listed = self.insist("GET", "/jobs?status=failed").json
            assert command.job_id not in [job["id"] for job in listed], "a dismissed job is listed"

    def cancel_batch(self, batch_id: str, commands: Sequence[SentCommand]) -> None:
        """Cancel a batch of these commands until the answer says of each job what became of it."""
        for command, entry in zip(commands, self._insist_on_each("DELETE", f"/batches/{batch_id}"), strict=True):
            command.cancelled = "unchanged" not in entry
            assert command.cancelled == (entry["job"]["status"] == "cancelled"), entry

    def retry_batch(self, batch_id: str, commands: Sequence[SentCommand]) -> None:
        """Retry a batch of these commands until the answer says of each job what became of it."""
        before = [self._row(command) for command in commands]
        self._insist_on_each("POST", f"/batches/{batch_id}/retry")
        for command, row in zip(commands, before, strict=True):
            if row["status"]["S"] == "failed" and self._row(command).get("retries") != row.get("retries"):
                self.history.record_retry(command)
                command.accepted, command.must_fail = True, False

    def _insist_on_each(self, method: str, target: str) -> Any:
        """Repeat a request that changes a batch until all of its jobs were reached; return the entries."""
        pause = 1.0
        for _ in range(_MOST_REPEATS):
            answer = self.insist(method, target)
            assert answer.status in {_OK, _ACCEPTED}, answer.text
            entries = answer.json["entries"]
            if all(entry.get("unchanged", {}).get("status", 0) < _SERVER_ERROR for entry in entries):
                return entries
            self._before_a_repeat()
            self.emulator.clock.sleep(pause)
            pause *= 2
        raise AssertionError(f"{method} {target} never reaches all jobs: {answer}")

    def limit(self, seconds: float) -> str:
        """Return the time limit that is so many seconds ahead."""
        return rfc3339(datetime.fromtimestamp(self.emulator.clock.time() + seconds, UTC))

    def retry(self, command: SentCommand, not_after: str | None = None) -> int:
        """Request a retry until it is answered; a retried command takes a new place, and this time limit."""
        before = self._row(command)
        body = None if not_after is None else {"not_after": not_after}
        answer = self.insist("POST", f"/jobs/{command.job_id}/retry", body)
        assert answer.status in {_ACCEPTED, _CONFLICT}, answer.text
        taken = answer.status == _ACCEPTED or self._row(command).get("retries") != before.get("retries")
        if taken and before["status"]["S"] == "failed":
            self.history.record_retry(command)
            command.accepted, command.must_fail = True, False
            command.not_after = not_after or command.not_after
        return answer.status

    def expire(self, command: SentCommand) -> None:
        """Let the unfinished job of this command expire; its message stays on the queue and must change nothing."""
        self.call(
            "UpdateItem",
            TableName=self.outputs["JobsTable"],
            Key={"job_id": {"S": command.job_id}},
            UpdateExpression="SET expires_at = :now",
            ExpressionAttributeValues={":now": {"N": str(int(self.emulator.clock.time()))}},
        )
        self.history.commands.remove(command)

    def job(self, command: SentCommand) -> Any:
        """Return the job as its caller polls it."""
        answer = self.insist("GET", f"/jobs/{command.job_id}")
        assert answer.status == 200, answer.text
        return json_text.decode(answer.text)

    def _failed_only_to_send(self, calls: int) -> bool:
        """Return whether the only fault since then was at a call that sends messages."""
        hit = [self.injector.points[fault.call - 1] for fault in self.injector.injected if fault.call > calls]
        kinds = {fault.kind for fault in self.injector.injected if fault.call > calls}
        sends = {"sqs.send_message", "sqs.send_message_batch"}
        only = len(hit) == 1 and hit[0].site.call in sends
        return only and kinds <= {Kind.BROKEN, Kind.LOST, Kind.NOT_TAKEN}

    def lapse_of_deduplication(self) -> None:
        """Let so much time pass that SQS does not recognise duplicates."""
        self.emulator.clock.sleep(DEDUPLICATION_SECONDS + 1)

    def _row(self, command: SentCommand) -> Any:
        key = {"job_id": {"S": command.job_id}}
        return self.call("GetItem", TableName=self.outputs["JobsTable"], Key=key, ConsistentRead=True)["Item"]

    def _job_ids(self) -> set[str]:
        return set(self._job_rows())

    def _before_a_repeat(self) -> None:
        late = [
            fault.kind for fault in self.injector.injected if fault.kind in {Kind.LATE_REPLAY, Kind.LATER_REPLAY}
        ]
        if late:
            if late[-1] is Kind.LATER_REPLAY:
                self.settle()
            self.lapse_of_deduplication()
