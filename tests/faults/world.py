"""The surroundings of the two Lambdas: callers, SQS, Lambda's poller, and time."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.batch import is_batch_id
from jobpipe.domain.clock import rfc3339
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.batch_rows import batch_from_row
from scripts.audit.confirm import OVERDUE
from scripts.audit.rows import is_allowance
from tests.faults.emulator import CallFailed, Emulator
from tests.faults.emulator import Snapshot as EmulatorSnapshot
from tests.faults.events import as_request, http_event, raw_command, sqs_record
from tests.faults.history import History, SentCommand
from tests.faults.history import Snapshot as HistorySnapshot
from tests.faults.injection import Injector, ProcessDied
from tests.faults.kinds import ACKNOWLEDGE, Kind
from tests.faults.lambdas import Lambdas, open_client
from tests.faults.receivers import Receivers
from tests.faults.shelves import index_rows
from tests.faults.virtual_time import Clock
from tests.helpers.pipeline import Answer, Context
from tests.helpers.rule_event import RULE_EVENT

DEDUPLICATION_SECONDS = 5 * 60
_BETWEEN_SWEEPS = 60
_EVENT_QUEUES = (
    ("tell", "EventsQueueUrl"),
    ("deliver", "DeliveriesQueueUrl"),
    ("deliver", "DeliveriesLaterQueueUrl"),
)
_MOST_REPEATS = 16  # their pauses double, so they last longer than any outage here
_MOST_ROUNDS = 4000
_OK = 200
_ACCEPTED = 202
_CONFLICT = 409
_SERVER_ERROR = 500


class _TimedContext(Context):
    """The context of an invocation whose time passes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._end = clock.elapsed + self.milliseconds / 1000

    def get_remaining_time_in_millis(self) -> int:
        return round((self._end - self._clock.elapsed) * 1000)


@dataclass(frozen=True)
class Snapshot:
    """A stage, and what its callers know."""

    emulator: EmulatorSnapshot
    elapsed: float
    history: HistorySnapshot
    garbage: frozenset[str]
    receivers: Receivers | None


class World:
    """A stage with its callers."""

    def __init__(self, emulator: Emulator, injector: Injector, lambdas: Lambdas) -> None:
        self.emulator, self.injector, self.lambdas = emulator, injector, lambdas
        self.call = emulator.call
        self.s3 = open_client("s3", emulator)
        self.audit_clients = AwsClients(make=lambda service, **_: open_client(service, emulator))
        self.outputs = emulator.outputs
        emulator.reset()
        for row in index_rows():
            self.call("PutItem", TableName=self.outputs["CollectionsTable"], Item=row)
        self._empty = emulator.snapshot()
        self.history = History()
        self.garbage: set[str] = set()  # bodies that must be parked
        self.receivers: Receivers | None = None  # of webhooks, in a stage with Events=on

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

    # --- callers --------------------------------------------------------------------------------------------------

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

    def _job_rows(self, *, batches: bool = False) -> dict[str, Any]:
        rows = self.call("Scan", TableName=self.outputs["JobsTable"], ConsistentRead=True)["Items"]
        found = {row["job_id"]["S"]: row for row in rows if not is_allowance(row)}
        return {job_id: row for job_id, row in found.items() if batches or not is_batch_id(job_id)}

    def _before_a_repeat(self) -> None:
        late = [
            fault.kind for fault in self.injector.injected if fault.kind in {Kind.LATE_REPLAY, Kind.LATER_REPLAY}
        ]
        if late:
            if late[-1] is Kind.LATER_REPLAY:
                self.settle()
            self.lapse_of_deduplication()

    # --- Lambda's poller ------------------------------------------------------------------------------------------

    def settle(self, until: Callable[[], bool] = lambda: False) -> None:
        """Deliver messages until the queues are empty, or until this holds."""
        pause = 1.0
        for _ in range(_MOST_ROUNDS):
            if until():
                return
            if self.poll("work", "CommandsQueueUrl"):
                pause = 1.0
                continue
            if self.poll("dead_letters", "DeadLettersQueueUrl") or self._poll_events():
                continue
            if not self.waiting():
                if not self._release_next():
                    return
                continue
            self.emulator.clock.sleep(pause)
            pause = min(pause * 2, DEDUPLICATION_SECONDS)
        raise AssertionError("the queue does not empty")

    def settle_queue(self) -> None:
        """Deliver the messages that are on the queue of commands now, once."""
        while self.poll("work", "CommandsQueueUrl"):
            pass

    def release(self) -> None:
        """Let a rule start the release."""
        with self.injector.process("release") as process, suppress(ProcessDied):
            self.lambdas.worker.release(RULE_EVENT, Context())
        if process.died:
            self.lambdas.restart("worker_lambda")

    def _release_next(self) -> bool:
        """Let time pass until the next job that waits is nearly due, and release; return whether one waits."""
        due = [row["due"]["S"].partition("#")[0] for row in self._job_rows().values() if "due" in row]
        if not due:
            return False
        seconds = datetime.fromisoformat(min(due)).timestamp() - self.emulator.clock.time()
        if seconds < -OVERDUE.total_seconds():
            # The command was never stored: no release can send it, but one cleans up if its job has ended.
            self.release()
            return due != [row["due"]["S"].partition("#")[0] for row in self._job_rows().values() if "due" in row]
        self.emulator.clock.sleep(max(_BETWEEN_SWEEPS, seconds - _BETWEEN_SWEEPS))
        self.release()
        return True

    def _poll_events(self) -> bool:
        """Process a batch of each queue of events, if the stage has them; return whether there was one."""
        if self.receivers is None:
            return False
        were_any = [self.poll(*each) for each in _EVENT_QUEUES]
        return any(were_any)

    def poll(self, function: str, queue: str, most: int = 10) -> bool:
        """Receive and process one batch, and delete the finished messages; return whether there were any."""
        url = self.outputs[queue]
        everything = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        received = self.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, **everything)
        messages = received.get("Messages", [])
        if messages:
            failed = self._invoke(function, [sqs_record(message) for message in messages])
            done = [message for message in messages if failed is not None and message["MessageId"] not in failed]
            if done and self.injector.point(ACKNOWLEDGE, "poller") is not Kind.NOT_DELETED:
                for message in done:
                    self._delete(url, message)
        return bool(messages)

    # --- queues ---------------------------------------------------------------------------------------------------

    def put_garbage(self, body: str, group_id: str) -> None:
        """Send a message that is no command."""
        self.garbage.add(body)
        self._send("CommandsQueueUrl", body, group_id)

    def copy_message(self) -> dict[str, Any]:
        """Return the only waiting message."""
        url = self.outputs["CommandsQueueUrl"]
        everything = {"MessageSystemAttributeNames": ["All"], "VisibilityTimeout": 0}
        (message,) = self.call("ReceiveMessage", QueueUrl=url, **everything)["Messages"]
        return dict(message)

    def give_up_messages(self) -> None:
        """Move the waiting messages to the dead letters, as SQS does after the last delivery."""
        url = self.outputs["CommandsQueueUrl"]
        everything = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]}
        for message in self.call("ReceiveMessage", QueueUrl=url, **everything).get("Messages", []):
            self.put_dead_letter(message)
            self._delete(url, message)

    def put_dead_letter(self, message: dict[str, Any]) -> None:
        """Send this message to the queue of dead letters."""
        self._send("DeadLettersQueueUrl", message["Body"], message["Attributes"]["MessageGroupId"])

    def parked(self) -> list[str]:
        """Return the bodies on the parked queue."""
        url = self.outputs["ParkedQueueUrl"]
        bodies: list[str] = []
        while messages := self.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
        return bodies

    def send(self, queue: str, body: str) -> None:
        """Send a message to a queue that is not a FIFO queue."""
        self.call("SendMessage", QueueUrl=self.outputs[queue], MessageBody=body)

    def _send(self, queue: str, body: str, group_id: str) -> None:
        fifo = {"MessageGroupId": group_id, "MessageDeduplicationId": uuid.uuid4().hex}
        self.call("SendMessage", QueueUrl=self.outputs[queue], MessageBody=body, **fifo)

    def waiting(self) -> int:
        """Return the number of messages on the queues, including those in flight and delayed."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts.append("ApproximateNumberOfMessagesDelayed")
        events = [] if self.receivers is None else [queue for _, queue in _EVENT_QUEUES]
        urls = [self.outputs[name] for name in ("CommandsQueueUrl", "DeadLettersQueueUrl", *events)]
        found = [self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=counts)["Attributes"] for url in urls]
        return sum(int(count) for attributes in found for count in attributes.values())

    def _invoke(self, function: str, records: list[dict[str, Any]]) -> set[str] | None:
        """Return the ids of the returned messages, or None if the process died or the function raised."""
        name = "worker" if function == "work" else function
        context = _TimedContext(self.emulator.clock) if name in self.injector.seconds_of_calls else Context()
        with self.injector.process(name) as process, suppress(ProcessDied):
            answer = getattr(self.lambdas.worker, function)({"Records": records}, context)
        if process.died:
            self.lambdas.restart("worker_lambda")
            return None
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}

    def _delete(self, url: str, message: dict[str, Any]) -> None:
        # If it was received again in the meantime, this receipt is not valid any more.
        with suppress(CallFailed):
            self.call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _overtake(self) -> None:
        """While this worker hangs, let another process the messages in flight, which become visible."""
        self.emulator.clock.sleep(self._visibility() + 1)
        for _ in range(3):
            self.poll("work", "CommandsQueueUrl")
            self.poll("dead_letters", "DeadLettersQueueUrl")
            self._poll_events()
        if any("due" in row for row in self._job_rows().values()):
            self.release()

    def _visibility(self) -> int:
        """Return the longest visibility timeout of the queues."""
        queues = ["CommandsQueueUrl", *([] if self.receivers is None else ["DeliveriesQueueUrl"])]
        answers = [
            self.call("GetQueueAttributes", QueueUrl=self.outputs[each], AttributeNames=["VisibilityTimeout"])
            for each in queues
        ]
        return max(int(answer["Attributes"]["VisibilityTimeout"]) for answer in answers)
