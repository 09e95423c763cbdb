"""The queues of a stage, and what Lambda does: it delivers their messages, until the queues are empty."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from jobpipe.domain.jobs.batch import is_batch_id
from scripts.audit.confirm import OVERDUE
from scripts.audit.rows import is_allowance
from tests.faults.schedules.injection import Injector, ProcessDied
from tests.faults.schedules.kinds import ACKNOWLEDGE, Kind
from tests.faults.stage.emulator import CallFailed, Emulator
from tests.faults.stage.events import sqs_record
from tests.faults.stage.lambdas import Lambdas
from tests.faults.stage.receivers import Receivers
from tests.faults.stage.virtual_time import Clock
from tests.helpers.pipeline import Context
from tests.helpers.rule_event import RULE_EVENT

DEDUPLICATION_SECONDS = 5 * 60
_BETWEEN_SWEEPS = 60
_EVENT_QUEUES = (
    ("tell", "EventsQueueUrl"),
    ("deliver", "DeliveriesQueueUrl"),
    ("deliver", "DeliveriesLaterQueueUrl"),
)
_MOST_ROUNDS = 4000


class _TimedContext(Context):
    """The context of an invocation whose time passes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._end = clock.elapsed + self.milliseconds / 1000

    def get_remaining_time_in_millis(self) -> int:
        return round((self._end - self._clock.elapsed) * 1000)


class Queues:
    """The queues of a stage, whose messages are delivered to its Lambdas."""

    def __init__(self, emulator: Emulator, injector: Injector, lambdas: Lambdas) -> None:
        self.emulator, self.injector, self.lambdas = emulator, injector, lambdas
        self.call = emulator.call
        self.outputs = emulator.outputs
        self.garbage: set[str] = set()  # bodies that must be parked
        self.receivers: Receivers | None = None  # of webhooks, in a stage with Events=on

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

    def _job_rows(self, *, batches: bool = False) -> dict[str, Any]:
        rows = self.call("Scan", TableName=self.outputs["JobsTable"], ConsistentRead=True)["Items"]
        found = {row["job_id"]["S"]: row for row in rows if not is_allowance(row)}
        return {job_id: row for job_id, row in found.items() if batches or not is_batch_id(job_id)}
