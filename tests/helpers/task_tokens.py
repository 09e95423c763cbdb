"""A stage in memory that takes task tokens and answers them, and the tokens that tests give it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain.events.ended_jobs import encode_ended, encode_task
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.domain.jobs.job import Job
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.memory.tasks import MemoryTasks
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.telling import World
from worker_lambda.chalicelib.notifications.notify import notify

KEY = {"idempotency-key": "order-7"}
TOKENS = [f"AAAA-token-{n}" for n in range(4)]
ONE, TWO, THREE, FOUR = TOKENS
READ = {"operation": "read", "item_id": "missing"}


@dataclass
class Stage:
    """A stage with TaskTokens: the API, the worker, and the function that tells."""

    queue: MemoryEvents = field(default_factory=MemoryEvents)
    tasks: MemoryTasks = field(default_factory=MemoryTasks)
    pipeline: Pipeline = field(init=False)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(event_queue=self.queue, tasks=self.queue)
        self.world = World(jobs=self.pipeline.jobs, tasks=self.tasks)

    @property
    def answers(self) -> dict[str, TaskSuccess | TaskFailure]:
        return self.tasks.answers

    def submit(self, raw: Any, token: str | None = None, **options: Any) -> Answer:
        given = raw if token is None else {**raw, "task_token": token}
        answer = self.pipeline.request("POST", "/jobs", given, **{"headers": KEY, **options})
        assert answer.status == 202, answer.text
        return answer

    def tell(self) -> None:
        """Tell what is on the queue of events."""
        bodies = [encode_ended(jobs) for _, jobs in self.queue.told]
        bodies += [encode_task(task) for task in self.queue.tasks]
        self.queue.told, self.queue.tasks = [], []
        for body in bodies:
            notify(self.world.message(body), self.world.services, lambda: 20.0)

    def settle(self) -> None:
        self.pipeline.drain()
        self.tell()

    def job(self, answer: Answer) -> Job:
        return self.pipeline.jobs.rows[answer.json["id"]]
