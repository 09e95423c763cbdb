"""What the same jobs would cost with other architectures, with as many log lines and traces as here."""

from __future__ import annotations

from decimal import Decimal

from scripts.models.cost.pipeline import Pipeline
from scripts.models.cost.usage import GB, Usage

SIZES = (0, 1_000, 10_000, 100_000)  # items in the table
HOURS_OF_MONTH = 730
_READ_BYTES = 4096
_HALF = Decimal("0.5")  # read units of an eventually consistent read


class Original:
    """The synchronous original behind API Gateway: one request scans for the name, puts row and document."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._assumed = pipeline.data.assumed["original"]

    def create(self, items: int) -> Usage:
        """Return the usage of a create with this many items in the table."""
        return self._request(self._assumed["milliseconds"][str(items)]) + self.stores(items)

    def stores(self, items: int) -> Usage:
        """Return the usage of the stores by a create: a scan, a put, a document."""
        units = Decimal(-(-items * int(self._assumed["row_bytes"]) // _READ_BYTES)) * _HALF
        return Usage.of(dynamodb_read_unit=max(units, _HALF), dynamodb_write_unit=1, s3_put=1)

    def update(self) -> Usage:
        """Return the usage of an update that keeps the name, so that nothing is scanned."""
        stores = Usage.of(dynamodb_read_unit=_HALF, dynamodb_write_unit=1, s3_put=1)
        return self._request(self._assumed["update_milliseconds"]) + stores

    def delete(self) -> Usage:
        stores = Usage.of(dynamodb_read_unit=_HALF, dynamodb_write_unit=1)
        return self._request(self._assumed["delete_milliseconds"]) + stores

    def read(self) -> Usage:
        return self._request(self._assumed["read_milliseconds"]) + Usage.of(dynamodb_read_unit=_HALF)

    def in_a_container(self, items: int) -> Usage:
        """Return the usage of a create without API Gateway and Lambda, and without the container itself."""
        logged = Decimal(self._assumed["log_bytes"]) + Decimal(self._pipeline.data.assumed["log_event_bytes"])
        return self.stores(items) + Usage.of(transfer_out_gb=self._answer_gb, logs_gb=logged / GB)

    def _request(self, milliseconds: Decimal) -> Usage:
        size, lines = Decimal(self._assumed["log_bytes"]), Decimal(self._assumed["log_lines"])
        return (
            Usage.of(api_gateway_rest_request=1, transfer_out_gb=self._answer_gb)
            + self._pipeline.invocation("api", Decimal(milliseconds))
            + self._pipeline.logs(size, lines, invocations=Decimal(1))
        )

    @property
    def _answer_gb(self) -> Decimal:
        head = Decimal(self._pipeline.data.assumed["answer_head_bytes"])
        return (Decimal(self._assumed["answer_bytes"]) + head) / GB


def container_month(pipeline: Pipeline) -> Usage:
    """Return the usage of two small tasks and their load balancer in a month."""
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
    """Return the usage of a pipeline without transactions, with a table for idempotency and a `running` state.

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
    stores = Usage.of(dynamodb_write_unit=2 + 2 + 1 + indexed, dynamodb_read_unit=_HALF, s3_put=1)
    accepted = pipeline.request("accept_create") + Usage.of(dynamodb_write_unit=1)  # the index by status
    # The commands of a batch run in sequence.
    invoked = pipeline.invocation("worker", Decimal(given["milliseconds"]) * batch) * (1 / batch)
    received = Usage.of(sqs_fifo_request=2 / batch)
    logged = pipeline.worker_logs(pipeline.data.operation("worker", "create"))
    polled = pipeline.request("poll") * polls
    return accepted + stores + invoked + received + logged + polled + pipeline.stored("create")
