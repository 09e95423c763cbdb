"""A batch of up to ten SQS messages: items in parallel, the commands of one item in order.

With ReportBatchItemFailures on a FIFO queue, Lambda deletes all messages but the ones that we name. Of an item
whose command failed, the later ones are named too, unprocessed: otherwise they would overtake it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from jobpipe.telemetry import logger

_MAX_BATCH = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as SQS delivered it, this time."""

    message_id: str
    body: str
    receive_count: int  # 1 at first; how often this message was delivered, for whatever reason


Process = Callable[[Delivery], None]


def consume_batch(records: Sequence[Mapping[str, Any]], process: Process) -> dict[str, Any]:
    """Process the records and name those to be delivered again, in the form that Lambda reads."""
    lines: dict[str, list[Delivery]] = {}
    for record in records:
        lines.setdefault(_group(record), []).append(_delivery(record))
    if len(lines) == 1:
        unprocessed = [_process_in_order(line, process) for line in lines.values()]
    else:
        unprocessed = list(_threads().map(lambda line: _process_in_order(line, process), lines.values()))
    failures = [{"itemIdentifier": delivery.message_id} for rest in unprocessed for delivery in rest]
    logger.info("batch", extra={"messages": len(records), "items": len(lines), "returned": len(failures)})
    return {"batchItemFailures": failures}


def _process_in_order(line: list[Delivery], process: Process) -> list[Delivery]:
    """What is left of the line after its first failure, the failed one included."""
    for i, delivery in enumerate(line):
        try:
            process(delivery)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not cost the other items theirs
            logger.warning(
                "message returned",
                extra={
                    "message_id": delivery.message_id,
                    "reason": f"{type(error).__name__}: {error}",
                    "behind": len(line) - i - 1,
                },
            )
            return line[i:]
    return []


def _group(record: Mapping[str, Any]) -> str:
    return str(record["attributes"]["MessageGroupId"])


def _delivery(record: Mapping[str, Any]) -> Delivery:
    return Delivery(record["messageId"], record["body"], int(record["attributes"]["ApproximateReceiveCount"]))


@cache
def _threads() -> ThreadPoolExecutor:
    # Kept between invocations: starting ten threads costs more than a DynamoDB call on a small Lambda.
    return ThreadPoolExecutor(max_workers=_MAX_BATCH, thread_name_prefix="item")
