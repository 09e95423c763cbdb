"""What the checks share: the stage, its temporary owners, the items of the run, and the remaining time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from api_lambda.chalicelib.http.callers import Role
from infra.deployment.readiness import wait_for_key
from infra.errors import OperatorError
from infra.keys.api_keys import ApiKey, ApiKeys
from scripts.prove.callers import Caller, Json, OutOfTimeError, Pace, Shared
from scripts.prove.made import Items, Made
from scripts.prove.plan import Plan
from scripts.stage.aws import StageAws

PREFIX = "prove"
"""The prefix of the names of all temporary owners."""
_WAITERS = 6
_DELETION_SECONDS = 240.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Figure:
    """Measured times, in milliseconds, and the documented ones."""

    what: str
    number: int
    p50: float
    p95: float
    documented: str


@dataclass
class Bench:
    """A run on a stage."""

    stage: StageAws
    plan: Plan
    name: str
    keys: ApiKeys
    shared: Shared
    made: Made = field(default_factory=Made)
    figures: list[Figure] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)  # texts that no report may contain
    jobs: set[str] = field(default_factory=set)
    slowest: float = 0.0  # seconds of the slowest update while nothing disturbed the stage
    until: float = 0.0  # the deadline of the running check, by time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, say: Callable[[str], None]) -> None:
        """Make the owners and their keys, and wait until API Gateway accepts them."""
        say("making temporary keys")
        owner, other = f"{self.name}a", f"{self.name}b"
        for each in (owner, other):
            self.made.later(f"the keys of {each}", lambda each=each: self._revoke(each))  # type: ignore[misc]
        made = [
            self.keys.add(owner, Role.WRITER),
            self.keys.add(other, Role.WRITER),
            self.keys.add(owner, Role.READER),
        ]
        self.secrets += [key.value for key in made]
        self.writer, self.other, self.reader = (self.caller(key.value) for key in made)
        self.items = Items(self.writer)
        for key in made:
            self._wait_for(key)
        self.made.later("items", lambda: self.items.delete(lambda: time.monotonic() + _DELETION_SECONDS))

    def caller(self, api_key: str | None) -> Caller:
        """Return a caller with this key, or without a key."""
        return Caller(self.shared, api_key)

    def create(self, number: int) -> list[str]:
        """Create items, wait until they exist, and return their ids."""
        items = [{"name": f"{self.name} {secrets.token_hex(6)}", "description": "made by make prove"}] * number
        items = [{**item, "name": f"{item['name']} {n}"} for n, item in enumerate(items)]
        jobs = self.wait_for(self.items.create(items))
        failed = [str(job["status"]) for job in jobs if job["status"] != "succeeded"]
        if failed:
            raise OutOfTimeError(f"{len(failed)} of {number} items were not created in time: {failed[0]}")
        return [str(job["item_id"]) for job in jobs]

    def wait_for(self, jobs: Iterable[Json], caller: Caller | None = None) -> list[Json]:
        """Return the jobs when they have ended, or as they are when the time of the check is over."""
        asking = caller or self.writer
        wanted = [str(job["id"]) for job in jobs]
        self.note(wanted)
        return self.parallel([lambda each=each: asking.wait(each, self.until) for each in wanted], _WAITERS)  # type: ignore[misc]

    def note(self, job_ids: Iterable[str]) -> None:
        """Remember jobs of the run, for the check by an audit."""
        with self._lock:
            self.jobs.update(job_ids)

    def parallel(self, calls: Sequence[Callable[[], _T]], threads: int) -> list[_T]:
        """Return the results of the calls. After an error, wait only for the calls that have begun."""
        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="prove") as pool:
            futures = [pool.submit(call) for call in calls]
            try:
                return [future.result() for future in futures]
            except KeyboardInterrupt:
                self.shared.stopped.set()
                raise
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def remaining_seconds(self) -> float:
        """Return the remaining seconds of the running check; raise OutOfTimeError if there are none."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise OutOfTimeError("its time was over")
        return seconds

    def pause(self, seconds: float) -> None:
        """Sleep, unless the run is stopped."""
        self.shared.stopped.wait(min(seconds, self.remaining_seconds()))

    def _wait_for(self, key: ApiKey) -> None:
        if not wait_for_key(self.stage.deployment.base_url, key.value, accepted=True):
            raise OperatorError("API Gateway has not accepted the temporary keys within a minute: try again")

    def _revoke(self, owner: str) -> None:
        for key in self.keys.of(owner):
            self.keys.revoke(key)


def new_bench(stage: StageAws, plan: Plan, keys: ApiKeys) -> Bench:
    """Return a run that has made nothing yet."""
    base_url = stage.deployment.base_url.rstrip("/")
    hidden = [stage.deployment.api_key, base_url, stage.deployment.endpoint_url or ""]
    shared = Shared(base_url, Pace(plan.rate))
    return Bench(stage, plan, new_name(), keys, shared, secrets=hidden)


def new_name() -> str:
    """Return a unique name for a run, with which the names of its owners begin."""
    return f"{PREFIX}{secrets.token_hex(4)}"
