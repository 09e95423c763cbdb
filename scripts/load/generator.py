"""The open loop: each request starts when it is due, even if earlier requests have no response yet.

Latency counts from the time at which a request was due. A closed loop would send less to a slow service, and would
not count the time that callers wait (coordinated omission).
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scripts.load.http_calls import ACCEPTED, NO_ANSWER, HttpCalls
from scripts.load.plan import Plan

FOLLOWERS = 16
CLEANERS = 8
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.01, 0.5, 1.3
_OK, _THROTTLED, _SERVER_ERROR = 200, 429, 500


@dataclass(slots=True)
class Outcome:
    """The result of a request. The times are in seconds since the request was due."""

    late: float  # until the request began: how late this machine was
    seconds: float  # until the response
    status: int
    item_id: str | None = None
    ended: float | None = None  # followed jobs: until the caller saw the end
    job_status: str | None = None  # followed jobs: the last status; None if the job did not end in time


@dataclass
class Measured:
    """The results of a run, up to its interruption if it was interrupted."""

    offered: int = 0  # requests that were due
    outcomes: list[Outcome] = field(default_factory=list)
    followed: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0  # from the first due request to the last response
    interrupted: bool = False

    @property
    def statuses(self) -> Counter[int]:
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def accepted(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == ACCEPTED]

    @property
    def lost(self) -> list[Outcome]:
        """Followed jobs that did not succeed in time."""
        return [outcome for outcome in self.followed if outcome.job_status != "succeeded"]

    @property
    def failed(self) -> bool:
        """Whether there was a 5xx, a request without a response, a lost job, or nothing accepted."""
        broken = any(status == NO_ANSWER or status >= _SERVER_ERROR for status in self.statuses)
        return broken or not self.accepted or bool(self.lost)


class Generator:
    """A run against a stage."""

    def __init__(self, calls: HttpCalls, plan: Plan) -> None:
        self.name = f"load-{secrets.token_hex(3)}"
        self._calls = calls
        self._plan = plan
        self._stop = threading.Event()
        self._epoch = math.inf

    def run(self, tick: Callable[[Measured], None] = lambda _: None) -> Measured:
        """Send what is planned, follow the sample, and return the results; Ctrl-C ends the run early."""
        arrivals = self._plan.arrivals()
        measured = Measured()
        senders = ThreadPoolExecutor(self._plan.concurrency, thread_name_prefix="sender")
        followers = ThreadPoolExecutor(FOLLOWERS, thread_name_prefix="follower")
        try:
            self._epoch = time.perf_counter()
            sent = []
            for n, due in enumerate(arrivals):
                self._sleep_until(due)
                measured.offered += 1
                sent.append(senders.submit(self._send, n, due, measured, followers))
                tick(measured)
            for future in sent:
                future.result()
                tick(measured)
        except KeyboardInterrupt:
            measured.interrupted = True
            self._stop.set()
        finally:
            senders.shutdown(cancel_futures=measured.interrupted)
            measured.seconds = time.perf_counter() - self._epoch
            followers.shutdown(cancel_futures=measured.interrupted)
        if measured.interrupted:  # the jobs of unfinished followers are unknown
            measured.followed = [outcome for outcome in measured.followed if outcome.job_status is not None]
        return measured

    def clean_up(self, measured: Measured) -> int:
        """Request the deletion of every accepted item, and return how many requests were not accepted.

        The item id is the message group, so a deletion follows the creation even if that is still queued.
        """
        items = [outcome.item_id for outcome in measured.accepted if outcome.item_id]
        with ThreadPoolExecutor(CLEANERS, thread_name_prefix="cleaner") as cleaners:
            try:
                deleted = list(cleaners.map(self._delete, items))
            except BaseException:
                cleaners.shutdown(cancel_futures=True)
                raise
        return deleted.count(False)

    def _send(self, n: int, due: float, measured: Measured, followers: ThreadPoolExecutor) -> None:
        item = {"name": f"{self.name}-{n}", "description": "made by make load", "price": n / 100}
        answer = self._calls.request("POST", "/items", item)
        outcome = Outcome(answer.began - self._epoch - due, answer.ended - self._epoch - due, answer.status)
        if answer.status == ACCEPTED:
            outcome.item_id = answer.document["item_id"]
            if self._plan.sample and n % self._plan.sample == 0:
                measured.followed.append(outcome)
                followers.submit(self._follow, answer.document["id"], due, outcome)
        measured.outcomes.append(outcome)

    def _follow(self, job_id: str, due: float, outcome: Outcome) -> None:
        until = self._epoch + due + self._plan.patience
        pause = _FIRST_PAUSE
        while not self._stop.is_set() and time.perf_counter() < until:
            answer = self._calls.request("GET", f"/jobs/{job_id}")
            if answer.status == _OK and answer.document["done"]:
                outcome.ended = answer.ended - self._epoch - due
                outcome.job_status = answer.document["status"]
                return
            self._stop.wait(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _delete(self, item_id: str | None) -> bool:
        for pause in (0.2, 1.0, 3.0, 0.0):
            answer = self._calls.request("DELETE", f"/items/{item_id}")
            if answer.status == ACCEPTED:
                return True
            if answer.status != _THROTTLED and NO_ANSWER < answer.status < _SERVER_ERROR:
                return False
            time.sleep(pause)
        return False

    def _sleep_until(self, due: float) -> None:
        while (left := self._epoch + due - time.perf_counter()) > 0:
            time.sleep(left)
