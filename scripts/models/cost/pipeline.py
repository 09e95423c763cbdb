"""The usage of a job: its requests, its share of a batch of the worker, and the storage until it expires."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from api_lambda.chalicelib.submitting.wait import pause_after
from jobpipe.domain.events.schedule import EVENT_RETENTION, MOST_AT_ONCE
from scripts.models.cost.data import Counted, Data, Load, Operation, Side
from scripts.models.cost.usage import GB, MILLION, Usage

_S3 = {
    "PutObject": "s3_put",
    "GetObject": "s3_get",
    "ListObjectsV2": "s3_list",
    "DeleteObject": "s3_delete",
    "DeleteObjects": "s3_delete",
}
_SQS_BYTES = 64 * 1024
_FULL_BATCH = 10
_BATCH = 100  # commands of a POST /batches
_PLATFORM_LINES = 3  # that Lambda logs for an invocation
_UNDO_DAYS = 31  # from infra/templates/foundation.yaml; JobRetentionDays does not change it
_DAYS_OF_MONTH = Decimal("30.4")


@dataclass(frozen=True)
class Habit:
    """How a caller learns about the end of its job."""

    name: str
    polls: int = 0
    prefer_wait: bool = False
    poll_waits: bool = False
    batch: bool = False
    events: bool = False  # in a stage with Events=on
    told: bool = False  # by a webhook


HABITS = (
    Habit("fire and forget"),
    Habit("Prefer: wait", prefer_wait=True),
    Habit("one poll with ?wait", polls=1, poll_waits=True),
    Habit("one poll after 1 s", polls=1),
    Habit("a poll each second for 5 s", polls=5),
    Habit("a poll each second for 30 s", polls=30),
    Habit("batches of 100, one poll each", batch=True),
)
FORGET, PREFER_WAIT, WAITING_POLL, ONE_POLL, FIVE_POLLS, THIRTY_POLLS, BATCHES = HABITS


UNTOLD = Habit("fire and forget with `Events=on`", events=True)
TOLD = Habit("notified by one webhook", events=True, told=True)


@dataclass(frozen=True)
class Pipeline:
    """jobpipe under a load. Operations have the names under which their calls were counted."""

    data: Data
    load: Load

    def dollars(self, usage: Usage) -> Decimal:
        """Return the price of a usage."""
        return usage.dollars(self.data.prices)

    def million(self, usage: Usage) -> Decimal:
        """Return the price of a million of these, in dollars."""
        return self.dollars(usage) * MILLION

    def job(self, operation: str, habit: Habit, *, seconds: Decimal | None = None) -> Usage:
        """Return the usage of a job; a caller that waits does so for `seconds` after the 202."""
        waited = Decimal(self.data.assumed["end_to_end_seconds"]) if seconds is None else seconds
        usage = self.requests(operation, habit, waited) + self.worked(operation) + self.stored(operation)
        if habit.events:
            usage += self.announced(told=habit.told)
        return usage + self.delivered() if habit.told else usage

    def requests(self, operation: str, habit: Habit, seconds: Decimal) -> Usage:
        """Return the usage of all requests of the caller."""
        if habit.batch:
            both = self.request("accept_batch_of_100") + self.request("poll_batch_of_100")
            return both * (1 / Decimal(_BATCH))
        usage = self.request(self._accept(operation))
        final = "poll_large" if operation.endswith("_large") and not operation.startswith("delete") else "poll"
        if habit.prefer_wait:
            usage += self.waiting(seconds) + self._final_answer(final)
        if habit.poll_waits:
            usage += self.request(final) + self.waiting(seconds)
        elif habit.polls:
            usage += self.request("poll_unfinished") * (habit.polls - 1) + self.request(final)
        return usage

    def request(self, name: str) -> Usage:
        """Return the usage of one request of the API."""
        counted = self.data.operation("api", name)
        answer = counted.answer_bytes + Decimal(self.data.assumed["answer_head_bytes"])
        return (
            Usage.of(api_gateway_rest_request=1, sqs_fifo_request=counted.sqs_requests, transfer_out_gb=answer / GB)
            + self.invocation("api", self.data.milliseconds("api", name))
            + self.calls(counted)
            + self.logs(counted.log_bytes, counted.log_lines, invocations=Decimal(1))
        )

    def waiting(self, seconds: Decimal) -> Usage:
        """Return the usage of an API function that reads the job repeatedly until it has ended."""
        elapsed, reads = 0.0, 0
        while elapsed < float(seconds):
            elapsed += pause_after(elapsed)
            reads += 1
        units = reads * self.data.operation("api", "poll").read_units
        return self._function_time("api", seconds) + Usage.of(dynamodb_read_unit=units)

    def worked(self, operation: str) -> Usage:
        """Return a command's share of a batch, whose messages Lambda receives and deletes together."""
        counted = self.data.operation("worker", operation)
        batch = Decimal(self.load.batch)
        milliseconds = self.data.milliseconds("worker", operation) * self._longer()
        sent = self.data.operation("api", self._accept(operation)).message_bytes
        received = max(Decimal(1), _ceiling(sent * batch / _SQS_BYTES))
        return (
            self.calls(counted)
            + Usage.of(sqs_fifo_request=(received + 1) / batch)
            + self.invocation("worker", milliseconds) * (1 / batch)
            + self.worker_logs(counted)
        )

    def stored(self, operation: str) -> Usage:
        """Return the storage of the job's row, and of a superseded document until its version is deleted."""
        days = Decimal(self.data.default("worker", "JobRetentionDays"))
        row = Decimal(self.data.assumed["job_row_bytes"]) / GB * days / _DAYS_OF_MONTH
        usage = Usage.of(dynamodb_gb_month=row, dynamodb_recovery_gb_month=row)
        if _kind(operation) in {"update", "delete"}:
            created = "accept_create_large" if operation.endswith("_large") else "accept_create"
            document = self.data.operation("api", created).message_bytes / GB
            usage += Usage.of(s3_gb_month=document * _UNDO_DAYS / _DAYS_OF_MONTH)
        return usage

    def announced(self, *, told: bool) -> Usage:
        """Return the usage of the function of events by the end of a job, for one webhook or none."""
        sent = self.data.operation("worker_with_events", "create")  # one call for a batch
        name = "tell_one_webhook" if told else "tell_nobody"
        milliseconds = self.data.milliseconds("events", name) * self._longer()
        share = 1 / Decimal(self.load.batch)
        return Usage.of(sqs_fifo_request=sent.sqs_requests * share) + self._consumed("events", name, milliseconds)

    def delivered(self) -> Usage:
        """Return the usage of an event that its receiver accepts at once, and of its rows until they expire."""
        attempts = _ceiling(Decimal(self.load.batch) / MOST_AT_ONCE)  # of a batch, one after the other
        each = self.data.milliseconds("deliveries", "deliver") + Decimal(self.data.assumed["receiver_milliseconds"])
        rows = Decimal(self.data.assumed["event_rows_bytes"]) / GB * EVENT_RETENTION.days / _DAYS_OF_MONTH
        return self._consumed("deliveries", "deliver", each * attempts) + Usage.of(
            transfer_out_gb=Decimal(self.data.assumed["event_bytes"]) / GB,
            dynamodb_gb_month=rows,
            dynamodb_recovery_gb_month=rows,
        )

    def _consumed(self, side: Counted, name: str, milliseconds: Decimal) -> Usage:
        """Return a message's share of a batch that takes this long, and is received and deleted together."""
        counted, batch = self.data.operation(side, name), Decimal(self.load.batch)
        ten = self.data.operation(side, f"{name}_in_a_batch_of_10")
        further_bytes = (ten.log_bytes - counted.log_bytes) / (ten.jobs - 1)
        further_lines = (ten.log_lines - counted.log_lines) / (ten.jobs - 1)
        return (
            self.calls(counted)
            + Usage.of(sqs_fifo_request=counted.sqs_requests + 2 / batch)
            + self.invocation("worker", milliseconds) * (1 / batch)
            + self.logs(
                (counted.log_bytes + further_bytes * (batch - 1)) / batch,
                (counted.log_lines + further_lines * (batch - 1)) / batch,
                invocations=1 / batch,
            )
        )

    def carried(self, command_bytes: int, *, by_claim: bool) -> Usage:
        """Return what SQS bills for the message of a command of this size, and S3 for the claim check, if any."""
        batch = Decimal(self.load.batch)
        size = Decimal(command_bytes)
        message = self.data.operation("api", "accept_create_by_claim").message_bytes if by_claim else size
        received = max(Decimal(1), _ceiling(message * batch / _SQS_BYTES))
        usage = Usage.of(sqs_fifo_request=_ceiling(message / _SQS_BYTES) + (received + 1) / batch)
        if by_claim:
            days = _UNDO_DAYS / _DAYS_OF_MONTH
            usage += Usage.of(s3_put=1, s3_get=1, s3_delete=1, s3_gb_month=size / GB * days)
        return usage

    def kept(self, command_bytes: int, *, by_claim: bool) -> Usage:
        """Return what it costs to write a command of this size that a failed job keeps."""
        if by_claim:
            return Usage.of(s3_put=1)
        return Usage.of(dynamodb_write_unit=_ceiling(Decimal(command_bytes) / 1024))

    def traced_share(self, side: Side = "api") -> Decimal:
        """Return the share of traced invocations: the first of each second, and a part of the others."""
        rate = self.load.requests_per_second / (self.load.batch if side == "worker" else 1)
        first = min(rate, Decimal(self.data.assumed["trace_reservoir_per_second"]))
        return (first + (rate - first) * Decimal(self.data.assumed["trace_share"])) / rate

    def invocation(self, side: Side, milliseconds: Decimal) -> Usage:
        """Return the usage of an invocation; Lambda bills whole milliseconds."""
        request = Usage.of(lambda_request=1, xray_trace=self.traced_share(side))
        return request + self._function_time(side, _ceiling(milliseconds) / 1000)

    def worker_logs(self, counted: Operation) -> Usage:
        """Return a command's log lines, and its share of the lines of its batch."""
        one, ten = self.data.operation("worker", "create"), self.data.operation("worker", "create_in_a_batch_of_10")
        saved = (1 - 1 / Decimal(self.load.batch)) / (ten.jobs - 1)
        return self.logs(
            counted.log_bytes - saved * (one.log_bytes * ten.jobs - ten.log_bytes),
            counted.log_lines - saved * (one.log_lines * ten.jobs - ten.log_lines),
            invocations=1 / Decimal(self.load.batch),
        )

    def logs(self, size: Decimal, lines: Decimal, *, invocations: Decimal) -> Usage:
        """Return the usage of log lines of `size` bytes together, and of those that Lambda adds."""
        platform = Decimal(self.data.assumed["platform_log_bytes"]) * invocations
        events = Decimal(self.data.assumed["log_event_bytes"]) * (lines + _PLATFORM_LINES * invocations)
        gb = (size + platform + events) / GB
        months = Decimal(self.data.default("api", "LogRetentionDays")) / _DAYS_OF_MONTH
        return Usage.of(logs_gb=gb, logs_gb_month=gb * months)

    def calls(self, counted: Operation) -> Usage:
        """Return what DynamoDB and S3 bill for the calls."""
        usage = Usage.of(dynamodb_write_unit=counted.write_units, dynamodb_read_unit=counted.read_units)
        for call, count in counted.calls.items():
            service, _, name = call.partition(":")
            if service == "s3":
                usage += Usage.of(**{_S3[name]: count})
        return usage

    def _longer(self) -> Decimal:
        """Return how many times as long as one message a batch takes, whose messages are processed in parallel."""
        further = Decimal(self.data.assumed["batch_of_10_takes"]) - 1
        return 1 + further * (Decimal(self.load.batch) - 1) / (_FULL_BATCH - 1)

    def _function_time(self, side: Side, seconds: Decimal) -> Usage:
        architecture = self.data.default(side, "Architecture")
        return Usage({f"lambda_gb_second_{architecture}": seconds * self.data.memory_gb(side)})

    def _final_answer(self, poll: str) -> Usage:
        """Return what the answer with the end of the job needs beyond a 202."""
        counted, accept = self.data.operation("api", poll), self.data.operation("api", "accept_create")
        larger = max(Decimal(), counted.answer_bytes - accept.answer_bytes)
        return Usage.of(s3_get=counted.calls.get("s3:GetObject", 0), transfer_out_gb=larger / GB)

    def _accept(self, operation: str) -> str:
        """Return the request that queues the command; deletes and reads do not depend on the document's size."""
        name = f"accept_{operation}"
        return name if name in self.data.counted["api"] else f"accept_{_kind(operation)}"


def _kind(operation: str) -> str:
    return operation.partition("_")[0]


def _ceiling(value: Decimal) -> Decimal:
    return value.to_integral_value(ROUND_CEILING)
