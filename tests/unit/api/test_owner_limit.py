"""The limit of an owner's commands: never more than it says, and no caller under its rate is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.submitting.owner_limit import LEASE_SECONDS, OPEN_SECONDS, OwnerLimit
from jobpipe.domain.errors import TooManyRequests, Unavailable
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from tests.helpers.memory.allowances import MemoryAllowances

START = 1_796_000_000.0  # a time of day in 2026, as the processes' clocks show it


@dataclass
class Api:
    """Processes of the API with one clock and one table, used by one owner."""

    rate: float
    burst: int
    processes: int = 1
    at: float = START
    allowances: MemoryAllowances = field(default_factory=MemoryAllowances)

    def __post_init__(self) -> None:
        self.limits = [
            OwnerLimit(self.rate, self.burst, self.allowances, lambda: self.at) for _ in range(self.processes)
        ]
        self.accepted: list[tuple[float, int]] = []

    def send(self, commands: int = 1, process: int = 0, owner: str = "alice") -> int | None:
        """Send commands; return None if they are accepted, else the seconds of Retry-After."""
        try:
            self.limits[process % self.processes].spend(owner, commands)
        except TooManyRequests as refused:
            return refused.retry_after
        self.accepted.append((self.at, commands))
        return None

    def most_beyond_the_rate(self) -> float:
        """Return the greatest number of commands that any period had beyond the rate."""
        most = level = 0.0  # as a bucket that leaks at the rate
        last = START
        for at, commands in self.accepted:
            level = max(0.0, level - (at - last) * self.rate) + commands
            last, most = at, max(most, level)
        return most


RATES = st.one_of(st.integers(1, 500), st.sampled_from([0.1, 0.5, 1.5, 33.3, 1000]))
BURSTS = st.sampled_from([100, 101, 200, 350, 1000])
COMMANDS = st.one_of(st.just(1), st.integers(1, MAX_COMMANDS))
STEPS = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 0.001, 0.01, 0.1, 0.5, 1, 3, 7, 60]), st.integers(0, 7), COMMANDS),
    min_size=1,
    max_size=300,
)


@given(rate=RATES, burst=BURSTS, processes=st.integers(1, 8), steps=STEPS)
def test_no_period_has_more_commands_than_the_limit_and_its_bound(
    rate: float, burst: int, processes: int, steps: list[tuple[float, int, int]]
) -> None:
    api = Api(rate, burst, processes)
    for pause, process, commands in steps:
        api.at += pause
        api.send(commands, process)
    assert api.most_beyond_the_rate() <= burst + rate * LEASE_SECONDS + 1e-3


@given(rate=RATES, burst=BURSTS, processes=st.integers(1, 8), steps=STEPS)
def test_a_caller_under_its_rate_is_never_refused_over_whatever_processes_it_is_spread(
    rate: float, burst: int, processes: int, steps: list[tuple[float, int, int]]
) -> None:
    api = Api(rate, burst, processes)
    reserve = max(burst // 2, MAX_COMMANDS)
    level, last = float(reserve), START
    for pause, process, commands in steps:
        api.at += pause
        level, last = min(reserve, level + (api.at - last) * rate), api.at
        if commands <= level - 0.01:  # a hundredth of a command for all roundings
            level -= commands
            assert api.send(commands, process) is None


@given(rate=st.integers(1, 80), processes=st.integers(1, 8))
def test_a_flooding_owner_gets_nearly_its_rate(rate: int, processes: int) -> None:
    """It is refused without a call between two leases, and what it is refused is not lost."""
    api = Api(rate, 100, processes)
    seconds = 30
    assert api.send(100) is None
    for n in range(seconds * 40):
        api.at += 1 / 40
        for process in range(processes):
            api.send(max(1, rate // 20), n + process)
    accepted = sum(commands for _, commands in api.accepted)
    assert accepted <= 100 + rate * (seconds + LEASE_SECONDS)
    assert accepted >= 100 + 0.6 * rate * (seconds - 2)
    assert api.allowances.calls <= 3 * processes * seconds, "of 40 requests a second to each process"


def test_a_batch_counts_as_its_commands() -> None:
    api = Api(10, 200)
    assert api.send(100) is None
    assert api.send(100) is None
    assert api.send(100) == 10, "when the allowance has grown by another hundred"
    assert api.send(1) == 1


def test_the_time_in_a_refusal_is_right() -> None:
    api = Api(10, 100)
    assert api.send(100) is None
    seconds = api.send(50)
    assert seconds == 5
    api.at += seconds - 0.1
    assert api.send(50) == 1
    api.at += 0.1
    assert api.send(50) is None


def test_a_smaller_request_is_not_refused_with_a_larger_one() -> None:
    api = Api(10, 100)
    assert api.send(90) is None
    assert api.send(50) is not None
    assert api.send(10) is None


def test_owners_are_limited_apart() -> None:
    api = Api(1, 100)
    assert api.send(100, owner="alice") is None
    assert api.send(1, owner="alice") is not None
    assert api.send(100, owner="bob") is None


@pytest.mark.parametrize(("per_second", "most"), [(1, 0.61), (5, 0.16), (20, 0.07)])
def test_a_share_costs_far_less_than_a_call_a_request(per_second: int, most: float) -> None:
    api = Api(50, 400)
    requests = 60 * per_second
    for _ in range(requests):
        api.at += 1 / per_second
        assert api.send() is None
    assert api.allowances.calls <= most * requests


def test_a_refused_owner_costs_no_call_until_the_time_it_was_told() -> None:
    api = Api(10, 100)
    api.send(100)
    api.send(100)
    calls = api.allowances.calls
    for _ in range(50):
        api.at += 0.1
        assert api.send(100) is not None
    assert api.allowances.calls == calls


def test_what_is_left_of_a_share_is_lost_when_its_time_is_over() -> None:
    api = Api(10, 300)
    for _ in range(10):
        api.send()
    calls = api.allowances.calls
    api.at += LEASE_SECONDS
    assert api.send() is None
    assert api.allowances.calls == calls + 1


class Outage(MemoryAllowances):
    """Allowances that do not answer."""

    def take(self, owner: str, *, at: int, duration: int, latest: int, known: int) -> tuple[bool, int]:
        super().take(owner, at=at, duration=duration, latest=latest, known=known)
        raise Unavailable("The jobs table did not answer.")


def test_during_an_outage_nobody_is_limited_and_few_requests_ask() -> None:
    api = Api(1, 100, allowances=Outage())
    for _ in range(math.ceil(OPEN_SECONDS / 0.1)):
        assert api.send(100) is None
        api.at += 0.1
    assert api.allowances.calls == 1
    api.at += 0.1
    assert api.send(100) is None
    assert api.allowances.calls == 2
