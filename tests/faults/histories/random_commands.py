"""The commands of random histories, and the product as they run it: in one thread, with a log of its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st

from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.jobs.job import Job
from tests.faults.stage.lambdas import Inline
from tests.helpers.memory.jobs import MemoryJobs
from tests.helpers.unreliable import Clock, Fault

LONG, LARGE = "x" * 300, "x" * 500  # with the limits of these tests, LARGE is sent as a claim check
names = st.sampled_from(["tent", "stove", "lamp", "caf\u00e9", "cafe\u0301"])
values = (
    st.integers(-(2**64), 2**64) | st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3)
)
fields = st.dictionaries(st.sampled_from(["x", "y", "z"]), values | st.sampled_from([LONG, LARGE]), max_size=2)
owners = st.sampled_from(["alice", "bob"])
keys = st.none() | st.sampled_from(["k1", "k2", "k3"])
fault = st.builds(Fault, call=st.integers(1, 14), gone=st.booleans(), after=st.booleans())
faults: st.SearchStrategy[list[Fault]] = st.just([]) | st.lists(fault, max_size=2)


@dataclass(frozen=True)
class Sent:
    """A command of a caller."""

    operation: str
    body: dict[str, Any]
    method: str
    target: str
    collection: str = ITEMS
    raw: dict[str, Any] | None = None  # what is sent, if it is not the body

    @property
    def sent_body(self) -> Any:
        """Return the body of the request."""
        return self.raw if self.raw is not None else None if self.operation == "delete" else self.body


class LoggedJobs(MemoryJobs):
    """A store that logs every written row: the order is that in which commands take effect."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Job] = []

    def write(self, job: Job) -> Job:
        self.log.append(job)
        return super().write(job)


@contextmanager
def patched_product(clock: Clock) -> Iterator[None]:
    with (
        clock.installed(),
        patch("jobpipe.domain.jobs.queue_message.MAX_KEPT_BYTES", 200),
        patch("jobpipe.domain.jobs.claim_check.MAX_KEPT_BYTES", 200),
        patch("jobpipe.domain.jobs.claim_check.MAX_COMMAND_BYTES", 400),
        patch("worker_lambda.chalicelib.runs.LONGEST_BODY", 380),  # as there, too little for a claim check
        patch("worker_lambda.chalicelib.consume_batch.threads", Inline),  # so that a history can be repeated
        patch("worker_lambda.chalicelib.group_commit.threads", Inline),
        patch("worker_lambda.chalicelib.group_commit.logger.exception"),
        patch("worker_lambda.chalicelib.group_commit.logger.warning"),
        patch("worker_lambda.chalicelib.finish_runs.logger.warning"),
        patch("worker_lambda.chalicelib.consume_batch.logger.warning"),
        patch("worker_lambda.chalicelib.execute.logger.exception"),
    ):
        yield
