"""A pipeline in memory whose stores count their calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.helpers.job_states import item
from tests.helpers.pipeline import Pipeline

SHARED = ("rows", "commit", "commit_alone")


class Counted(Pipeline):
    """A pipeline whose stores count their calls."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.calls: Counter[str] = Counter()
        for store, names in (
            (self.groups, SHARED),
            (self.items, ("get", "commit")),
            (self.documents, ("put", "get", "delete", "delete_together")),
            (self.jobs, ("fail", "succeed")),
        ):
            for name in names:
                setattr(store, name, self._counted(name, getattr(store, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return method(*args, **named)

        return call

    def made(self) -> dict[str, int]:
        """Work once, and return the calls."""
        self.calls.clear()
        assert self.work() == {"batchItemFailures": []}
        return dict(self.calls)


def created(pipeline: Pipeline, *names: str) -> list[str]:
    ids = [pipeline.request("POST", "/items", item(name)).json["item_id"] for name in names]
    pipeline.drain()
    return ids


def statuses(pipeline: Pipeline) -> Counter[str]:
    return Counter(job.status.value for job in pipeline.jobs.rows.values())
