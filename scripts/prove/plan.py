"""How much a run sends, how long it may take, what it costs, and what needs a confirmation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from infra.errors import OperatorError
from scripts.prove import expenses
from scripts.prove.facts import Facts

RATE = 15.0  # commands a second, if the stage allows them
MOST_ROWS = 200_000
"""Rows in the tables of a stage, up to which the run reads them all for an audit."""
_SHARE = 0.7  # of a limit of the stage, so that its other callers keep some of it
_LONGEST = 30 * 60.0  # seconds
_AUDIT_ROWS_A_SECOND = 5_000
_KEYS_SECONDS = 70  # until API Gateway knows new keys
_POLLS_OF_A_JOB = 3
_RELEASE = 62  # seconds from a time to the release of its commands


@dataclass(frozen=True)
class Size:
    """How much each check sends."""

    items: int = 8  # of the check of order
    updates: int = 25  # of each of them
    threads: int = 6
    batch: int = 5  # commands of one item in a batch
    lost: int = 12  # requests whose answers are dropped
    races: int = 5  # requests that race for one name
    around: int = 15  # updates of each item while something is wrong around it
    told: int = 6  # updates of each of two items, whose ends a webhook is told
    due_seconds: float = 70.0
    samples: int = 40  # of the latencies
    quick: bool = False

    @property
    def jobs(self) -> Counter[str]:
        """About how many jobs each check makes, with the deletion of its items."""
        return Counter(
            {
                "contract": 8,
                "owners": 4,
                "order": self.items * (self.updates + 2),
                "lost answers": self.lost * 3 + self.races + 4,
                "names": self.races * 2,
                "unreadable message": 2 * (self.around + 2),
                "replaced worker": 2 * (max(self.around, 10) + 2),
                "events": 2 * (self.told + 2),
                "schedule": 8,
                "latency": self.samples + 2,
            }
        )


FULL = Size()
QUICK = Size(
    items=3,
    updates=6,
    threads=3,
    batch=2,
    lost=3,
    races=3,
    around=4,
    told=2,
    due_seconds=4.0,
    samples=5,
    quick=True,
)


@dataclass(frozen=True)
class Plan:
    """A run on one stage."""

    facts: Facts
    size: Size
    receiver: str | None = None  # the URL of the operator's own receiver

    @property
    def rate(self) -> float:
        """Commands a second, within the limits of an owner and of a key."""
        limits = [limit * _SHARE for limit in (self.facts.owner_rate, self.facts.key_rate) if limit]
        return min([RATE, *limits])

    @property
    def jobs(self) -> int:
        return sum(self.size.jobs.values())

    @property
    def counts(self) -> Counter[str]:
        """The most requests and jobs, by their kinds."""
        jobs = self.jobs
        told = 2 * self.size.told if self.facts.events else 0
        schedule = 6 * int(self.size.due_seconds + _RELEASE) // 2
        return Counter(
            {
                expenses.ACCEPT: jobs,
                expenses.BATCH: jobs // self.size.batch,
                expenses.POLL: _POLLS_OF_A_JOB * jobs + schedule,
                expenses.GET: self.size.items + self.size.lost * 2 + 20,
                expenses.LIST: 30,
                expenses.STATS: 20,
                expenses.REFUSED: 30,
                expenses.JOB: jobs,
                expenses.TOLD: told,
            }
        )

    @property
    def requests(self) -> int:
        return sum(number for kind, number in self.counts.items() if kind not in {expenses.JOB, expenses.TOLD})

    @property
    def audits(self) -> bool:
        """Whether the tables are small enough to be read."""
        return self.facts.rows <= MOST_ROWS

    def dollars(self) -> Decimal:
        """Return the most that AWS charges, as the cost model has it."""
        priced = sum((line.dollars for line in expenses.bill(self.counts, events=self.facts.events)), Decimal())
        return priced + (expenses.reading(self.facts.table_bytes, self.facts.rows) if self.audits else 0)

    def seconds(self, check: str) -> float:
        """Return how long a check may take."""
        sending = self.size.jobs.get(check, 0) / self.rate
        waiting = {
            "keys": _KEYS_SECONDS,
            "schedule": self.size.due_seconds + _RELEASE + 30,
            "replaced worker": 90 + (0 if self.facts.on_aws else self.facts.redelivery),
            "unreadable message": 60,
            "events": 90,
            "deletions": 60,
            "audit": 90 + self.facts.rows / _AUDIT_ROWS_A_SECOND,
        }
        return sending + waiting.get(check, 30)

    def longest(self, checks: tuple[str, ...]) -> float:
        """Return how long the run may take, its deletions included."""
        return sum(map(self.seconds, ("keys", *checks, "deletions")))

    def check(self, checks: tuple[str, ...], *, confirmed: bool) -> None:
        """Raise OperatorError if the stage's limits do not allow the run, or if it is not confirmed on AWS."""
        facts, longest = self.facts, self.longest(checks)
        if longest > _LONGEST:
            needed = math.ceil(self.jobs / _SHARE / (_LONGEST / 3))
            raise OperatorError(
                f"OwnerRate={facts.owner_rate:g} or RateLimit={facts.key_rate:g} is too low: {self.jobs} commands "
                f"would take up to {longest / 60:.0f} minutes; {needed} a second are enough"
            )
        if facts.quota and facts.quota < self.requests:
            raise OperatorError(
                f"QuotaLimit={facts.quota} is too low: a key needs up to {self.requests:,} requests"
            )
        if facts.on_aws and not confirmed:
            raise OperatorError("CONFIRM=yes allows it")

    def lines(self, name: str, checks: tuple[str, ...]) -> Iterator[str]:
        """Yield what the run will do."""
        facts = self.facts
        yield f"{facts.stage} ({facts.target}, {facts.region}), version {facts.version}"
        yield (
            f"sends up to {self.requests:,} requests and {self.jobs:,} commands, {self.rate:g} a second at most, "
            f"in up to {self.longest(checks) / 60:.0f} minutes"
        )
        price = "an emulator costs nothing; on AWS it would be " if not facts.on_aws else ""
        yield f"{price}about ${self._rounded():.2f} at list prices (docs/cost.md)"
        yield (
            f"makes the owners {name}a and {name}b with three keys, items named “{name} …”, a webhook, "
            "and one unreadable message; changes the memory of the worker by 1 MB for a moment; deletes all of it"
        )
        yield (
            "what expires by itself stays: the records of its jobs (JobRetentionDays), deleted versions of its "
            "documents in the bucket, its log lines"
        )
        if not self.audits:
            yield f"no audit: about {facts.rows:,} rows are more than {MOST_ROWS:,}"

    def _rounded(self) -> Decimal:
        return Decimal(math.ceil(self.dollars() * 100)) / 100
