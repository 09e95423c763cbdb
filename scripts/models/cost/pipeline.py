"""What one job uses: a request, its share of a batch of the worker, and how its caller hears of its end."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from api_lambda.chalicelib.submitting.wait import pause_after
from scripts.models.cost.data import Data, Load, Operation, Side
from scripts.models.cost.usage import GB, Usage

_S3 = {"PutObject": "s3_put", "GetObject": "s3_get", "ListObjectsV2": "s3_list", "DeleteObject": "s3_delete"}
_SQS_BYTES = 64 * 1024
_FULL_BATCH = 10
_BATCH = 100  # commands of a POST /batches
_UNDO_DAYS = 31  # from infra/templates/foundation.yaml; JobRetentionDays does not change it
_DAYS_OF_MONTH = Decimal("30.4")
OPERATIONS = ("create", "update", "delete", "read")


@dataclass(frozen=True)
class Habit:
    """How a caller hears of the end of its job."""

    name: str
    polls: int = 0
    prefer_wait: bool = False
    poll_waits: bool = False
    batch: bool = False


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


@dataclass(frozen=True)
class Pipeline:
    """jobpipe under a load."""

    data: Data
    load: Load

    def job(self, operation: str, habit: Habit, *, seconds: Decimal | None = None) -> Usage:
        """One job, `operation` as the worker's are called; `seconds` from its 202 to its end, if somebody waits."""
        waited = Decimal(self.data.assumed["end_to_end_seconds"]) if seconds is None else seconds
        return self.accepted(operation, habit, waited) + self.worked(operation) + self.kept(operation)

    def accepted(self, operation: str, habit: Habit, seconds: Decimal) -> Usage:
        """The requests of its caller."""
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
        """One request of the API, by the name under which its calls were counted."""
        counted = self.data.operation("api", name)
        answer = counted.answer_bytes + Decimal(self.data.assumed["answer_head_bytes"])
        return (
            Usage.of(api_gateway_rest_request=1, sqs_fifo_request=counted.sqs_requests)
            + self.invocation("api", self.data.milliseconds("api", name))
            + self.calls(counted)
            + self.logs(counted.log_bytes, counted.log_lines, invocations=Decimal(1))
            + Usage.of(transfer_out_gb=answer / GB)
        )

    def waiting(self, seconds: Decimal) -> Usage:
        """An API Lambda that looks again and again until the job has ended."""
        reads = _reads_of_a_wait(float(seconds)) * self.data.operation("api", "poll").read_units
        return Usage({self._gb_second("api"): seconds * self.data.memory_gb("api")}) + Usage.of(
            dynamodb_read_unit=reads
        )

    def worked(self, operation: str) -> Usage:
        """Its share of a batch: Lambda's poller receives and deletes ten messages in one request each."""
        counted = self.data.operation("worker", operation)
        batch = Decimal(self.load.batch)
        longer = 1 + (Decimal(self.data.assumed["batch_of_10_takes"]) - 1) * (batch - 1) / (_FULL_BATCH - 1)
        milliseconds = self.data.milliseconds("worker", operation) * longer
        sent = self.data.operation("api", self._accept(operation)).message_bytes
        received = max(Decimal(1), _ceiling(sent * batch / _SQS_BYTES))
        return (
            self.calls(counted)
            + Usage.of(sqs_fifo_request=(received + 1) / batch)
            + self.invocation("worker", milliseconds) * (1 / batch)
            + self.worker_logs(counted)
        )

    def kept(self, operation: str) -> Usage:
        """What lies about until it expires: the job's row, and a superseded document in its undo window."""
        days = Decimal(self.data.default("worker", "JobRetentionDays"))
        row = Decimal(self.data.assumed["job_row_bytes"]) / GB * days / _DAYS_OF_MONTH
        document = self.data.operation("api", f"accept_{_created(operation)}").message_bytes / GB
        superseded = (
            document * _UNDO_DAYS / _DAYS_OF_MONTH if _kind(operation) in {"update", "delete"} else Decimal()
        )
        return Usage.of(dynamodb_gb_month=row, dynamodb_recovery_gb_month=row, s3_gb_month=superseded)

    def traced_share(self, side: Side = "api") -> Decimal:
        """Of all invocations: the first of each second, and a part of the others."""
        rate = self.load.requests_per_second / (self.load.batch if side == "worker" else 1)
        first = min(rate, Decimal(self.data.assumed["trace_reservoir_per_second"]))
        return (first + (rate - first) * Decimal(self.data.assumed["trace_share"])) / rate

    def invocation(self, side: Side, milliseconds: Decimal) -> Usage:
        """Billed by the begun millisecond."""
        seconds = _ceiling(milliseconds) / 1000
        return Usage.of(lambda_request=1, xray_trace=self.traced_share(side)) + Usage(
            {self._gb_second(side): seconds * self.data.memory_gb(side)}
        )

    def _gb_second(self, side: Side) -> str:
        return f"lambda_gb_second_{self.data.default(side, 'Architecture')}"

    def _final_answer(self, poll: str) -> Usage:
        """What a caller that waited gets beyond the 202."""
        counted, accept = self.data.operation("api", poll), self.data.operation("api", "accept_create")
        gets = Usage.of(s3_get=counted.calls.get("s3:GetObject", 0))
        return gets + Usage.of(transfer_out_gb=max(Decimal(), counted.answer_bytes - accept.answer_bytes) / GB)

    def worker_logs(self, counted: Operation) -> Usage:
        """A batch has lines of its own, which its commands share."""
        one, ten = self.data.operation("worker", "create"), self.data.operation("worker", "create_in_a_batch_of_10")
        saved = (1 - 1 / Decimal(self.load.batch)) / (ten.jobs - 1)
        return self.logs(
            counted.log_bytes - saved * (one.log_bytes * ten.jobs - ten.log_bytes),
            counted.log_lines - saved * (one.log_lines * ten.jobs - ten.log_lines),
            invocations=1 / Decimal(self.load.batch),
        )

    def logs(self, size: Decimal, lines: Decimal, *, invocations: Decimal) -> Usage:
        platform = Decimal(self.data.assumed["platform_log_bytes"]) * invocations
        # Lambda itself writes three lines for an invocation.
        events = Decimal(self.data.assumed["log_event_bytes"]) * (lines + 3 * invocations)
        gb = (size + platform + events) / GB
        months = Decimal(self.data.default("api", "LogRetentionDays")) / _DAYS_OF_MONTH
        return Usage.of(logs_gb=gb, logs_gb_month=gb * months)

    def calls(self, counted: Operation) -> Usage:
        """What DynamoDB and S3 bill for them; to delete an object is free."""
        objects = Usage()
        for call, n in counted.calls.items():
            service, _, name = call.partition(":")
            if service == "s3":
                objects += Usage.of(**{_S3[name]: n})
        return objects + Usage.of(dynamodb_write_unit=counted.write_units, dynamodb_read_unit=counted.read_units)

    def _accept(self, operation: str) -> str:
        """The request that queues it; one to delete or read a large document is no larger than another."""
        name = f"accept_{operation}"
        return name if name in self.data.counted["api"] else f"accept_{_kind(operation)}"


def _reads_of_a_wait(seconds: float) -> int:
    elapsed, reads = 0.0, 0
    while elapsed < seconds:
        elapsed += pause_after(elapsed)
        reads += 1
    return reads


def _kind(operation: str) -> str:
    return operation.partition("_")[0]


def _created(operation: str) -> str:
    return "create_large" if operation.endswith("_large") else "create"


def _ceiling(value: Decimal) -> Decimal:
    return value.to_integral_value(ROUND_CEILING)
