"""What the same jobs would cost otherwise, with as much logged and traced as here, so that only the ways differ."""

from __future__ import annotations

from decimal import Decimal

from scripts.models.cost.pipeline import Pipeline
from scripts.models.cost.usage import GB, Usage

SIZES = (0, 1_000, 10_000, 100_000)  # items in the table
HOURS_OF_MONTH = 730
_READ_BYTES = 4096
_HALF = Decimal("0.5")  # of a unit: reads that may be stale


class Original:
    """The synchronous original behind API Gateway: one request scans for the name, puts row and document."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._assumed = pipeline.data.assumed["original"]

    def create(self, items: int) -> Usage:
        """With so many items in the table, all of which are looked at."""
        return self._request(Decimal(self._assumed["milliseconds"][str(items)])) + self.stored(items)

    def stored(self, items: int) -> Usage:
        """What it asks of the stores, wherever it runs: a scan, a put, a document."""
        units = Decimal(-(-items * int(self._assumed["row_bytes"]) // _READ_BYTES)) * _HALF
        return Usage.of(dynamodb_read_unit=max(units, _HALF), dynamodb_write_unit=1, s3_put=1)

    def update(self) -> Usage:
        """The name stays, so that nothing is scanned."""
        stored = Usage.of(dynamodb_read_unit=_HALF, dynamodb_write_unit=1, s3_put=1)
        return self._request(Decimal(self._assumed["update_milliseconds"])) + stored

    def delete(self) -> Usage:
        stored = Usage.of(dynamodb_read_unit=_HALF, dynamodb_write_unit=1)
        return self._request(Decimal(self._assumed["delete_milliseconds"])) + stored

    def read(self) -> Usage:
        return self._request(Decimal(self._assumed["read_milliseconds"])) + Usage.of(dynamodb_read_unit=_HALF)

    def in_a_container(self, items: int) -> Usage:
        """A create without API Gateway and Lambda; the container itself is paid by the month."""
        answer = Decimal(self._assumed["answer_bytes"]) + Decimal(self._pipeline.data.assumed["answer_head_bytes"])
        logged = Decimal(self._assumed["log_bytes"]) + Decimal(self._pipeline.data.assumed["log_event_bytes"])
        return self.stored(items) + Usage.of(transfer_out_gb=answer / GB, logs_gb=logged / GB)

    def _request(self, milliseconds: Decimal) -> Usage:
        answer = Decimal(self._assumed["answer_bytes"]) + Decimal(self._pipeline.data.assumed["answer_head_bytes"])
        return (
            Usage.of(api_gateway_rest_request=1, transfer_out_gb=answer / GB)
            + self._pipeline.invocation("api", milliseconds)
            + self._pipeline.logs(
                Decimal(self._assumed["log_bytes"]), Decimal(self._assumed["log_lines"]), invocations=Decimal(1)
            )
        )


def container_month(pipeline: Pipeline) -> Usage:
    """Two small tasks and their load balancer."""
    given = pipeline.data.assumed["container"]
    hours = Decimal(HOURS_OF_MONTH)
    tasks = Decimal(given["tasks"]) * hours
    return Usage.of(
        fargate_vcpu_hour_arm64=tasks * Decimal(given["vcpu"]),
        fargate_gb_hour_arm64=tasks * Decimal(given["gb"]),
        load_balancer_hour=hours,
        load_balancer_unit_hour=hours * Decimal(given["load_balancer_units"]),
    )


def naive_create(pipeline: Pipeline, polls: int) -> Usage:
    """A pipeline as it is often built: no transaction, a table of its own for idempotency, `running` written.

    accept   put job, send                                    job row, its entry in the index by status
    work     put and update of the idempotency record         two writes
             job running, job succeeded                       two writes, and two of the index for each
             look for the name in an index of the items       half a read
             put document, put item                           a put; a write, and one of that index
    poll     each second, get job
    """
    given = pipeline.data.assumed["naive"]
    batch = Decimal(pipeline.load.batch)
    indexed = Decimal(given["job_index_writes"] - 1 + given["item_index_writes"])
    stored = Usage.of(dynamodb_write_unit=2 + 2 + 1 + indexed, dynamodb_read_unit=_HALF, s3_put=1)
    accepted = pipeline.request("accept_create") + Usage.of(dynamodb_write_unit=1)  # the index by status
    # One after the other, so that a batch takes as long as its commands together.
    invoked = pipeline.invocation("worker", Decimal(given["milliseconds"]) * batch) * (1 / batch)
    received = Usage.of(sqs_fifo_request=2 / batch)
    logged = pipeline.worker_logs(pipeline.data.operation("worker", "create"))
    polled = pipeline.request("poll") * polls
    return accepted + stored + invoked + received + logged + polled + pipeline.kept("create")
