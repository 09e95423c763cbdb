"""Both simulations agree with queueing theory, and with each other."""

from __future__ import annotations

import random
from dataclasses import replace
from math import factorial

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from jobpipe.domain.limits import LONGEST_BACKOFF
from scripts.models.scaling.assumptions import Limits, Service, aws, backoff_seconds, constant, deployed, unlimited
from scripts.models.scaling.cohorts import Cohorts
from scripts.models.scaling.job_by_job import JobByJob, Message
from scripts.models.scaling.scenario import DYNAMODB, S3, WORKER, Burst, Latencies, Outage, Outcome, Scenario
from scripts.models.scaling.sizing import first_broken, size
from worker_lambda.chalicelib import consume_batch

JOBS = 12_000
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking takes minutes, and the scenarios are small


EXPONENTIAL = Service(command=lambda rng: rng.expovariate(1 / 0.1))
CONSTANT = Service(command=constant(0.1))


def servers(count: int) -> Limits:
    return replace(unlimited(), pollers_first=count, pollers_maximum=count, worker_concurrency=count)


def mean_time(rate: float, service: Service, count: int) -> float:
    scenario = Scenario(rate, JOBS / rate, 10 * JOBS / rate, polls=0, seed=3)
    outcome = JobByJob(scenario, servers(count), service, batch=1).run()
    assert outcome.done == outcome.offered
    return outcome.latencies.mean


def erlang_c(load: float, count: int) -> float:
    """Return the probability that all servers are busy."""
    busy = load**count / factorial(count) / (1 - load / count)
    return busy / (sum(load**k / factorial(k) for k in range(count)) + busy)


def test_one_exponential_server() -> None:
    assert mean_time(5, EXPONENTIAL, 1) == pytest.approx(1 / (10 - 5), rel=0.05)


def test_one_deterministic_server() -> None:
    waiting = 0.6 / (2 * 10 * (1 - 0.6))  # Pollaczek and Khinchine
    assert mean_time(6, CONSTANT, 1) == pytest.approx(0.1 + waiting, rel=0.03)


def test_several_exponential_servers() -> None:
    waiting = erlang_c(1.8, 3) / (3 * 10 - 18)
    assert mean_time(18, EXPONENTIAL, 3) == pytest.approx(0.1 + waiting, rel=0.03)


@pytest.mark.parametrize(("items", "batches"), [(40, 4), (1, 4), (2, 4)])
def test_a_filled_queue_drains_in_the_exact_time(items: int, batches: int) -> None:
    """The items of a batch run at once, and the commands of one item in sequence."""
    scenario = Scenario(0, 0, 100, filled=40, items=items, polls=0)
    outcome = JobByJob(scenario, servers(1), CONSTANT).run()
    assert outcome.invocations == batches
    assert outcome.last_end == pytest.approx(batches * 0.1 * min(10, 40 // items))


def test_one_thread_works_on_the_items_of_a_batch_in_sequence() -> None:
    outcome = JobByJob(Scenario(0, 0, 100, filled=40, items=40, polls=0), servers(1), CONSTANT, threads=1).run()
    assert outcome.last_end == pytest.approx(4.0)


def balanced(outcome: Outcome) -> bool:
    """Return whether each job is counted once."""
    refused = sum(outcome.refused.values())
    return outcome.offered == outcome.accepted + refused and outcome.accepted == outcome.done + outcome.backlog


SCENARIOS = st.builds(
    Scenario,
    rate=st.sampled_from([5, 40]),
    seconds=st.just(20),
    horizon=st.sampled_from([25, 500]),
    burst=st.none() | st.builds(Burst, st.just(5), st.just(5), st.sampled_from([3, 10])),
    outage=st.none() | st.builds(Outage, st.just(5), st.just(10), st.sampled_from([WORKER, DYNAMODB, S3])),
    items=st.sampled_from([1, 20, 1_000]),
    hot=st.sampled_from([0, 50]),
    seed=st.integers(0, 1_000),
)


@settings(max_examples=15, phases=PHASES)
@example(scenario=Scenario(40, 20, 500, outage=Outage(5, 10, DYNAMODB)))
@example(scenario=Scenario(40, 20, 500, outage=Outage(5, 10, S3)))
@example(scenario=Scenario(40, 20, 25, burst=Burst(5, 5, 10), hot=50, items=20))
@given(scenario=SCENARIOS)
def test_every_job_is_refused_done_or_waiting(scenario: Scenario) -> None:
    limits = replace(deployed(), table_first=100, in_flight=60, window=80)
    assert balanced(JobByJob(scenario, limits, aws()).run())
    assert balanced(Cohorts(replace(scenario, hot=0), limits, aws()).run())


@settings(max_examples=5, phases=PHASES)
@given(scenario=SCENARIOS)
def test_the_same_seed_gives_the_same_run(scenario: Scenario) -> None:
    for kind in (JobByJob, Cohorts):
        scenario = replace(scenario, hot=0)
        assert kind(scenario, deployed(), aws()).run() == kind(scenario, deployed(), aws()).run()


def test_workers_are_never_more_than_the_ramp_allows() -> None:
    for kind in (JobByJob, Cohorts):
        outcome = kind(
            Scenario(200, 30, 60), replace(unlimited(), pollers_first=2, pollers_per_minute=60), aws()
        ).run()
        assert outcome.most_running > 2
        assert [s for s in outcome.samples if s.running > 2 + s.at + 1] == []


class Recorded(JobByJob):
    """A simulation that records the groups in flight and the order of commands."""

    def __init__(self, scenario: Scenario, limits: Limits) -> None:
        super().__init__(scenario, limits, aws())
        self.order: dict[int, list[int]] = {}
        self.at_once = 0
        self._batches: dict[int, int] = {}

    def _work(self, batch: list[Message]) -> None:
        for group in {message.group for message in batch}:
            self._batches[group] = self._batches.get(group, 0) + 1
        self.at_once = max(self.at_once, *self._batches.values())
        super()._work(batch)

    def _settle(self, attempted: list[tuple[list[Message], int]]) -> None:
        for messages, done in attempted:
            self._batches[messages[0].group] -= 1
            self.order.setdefault(messages[0].group, []).extend(message.number for message in messages[:done])
        super()._settle(attempted)


@settings(max_examples=10, phases=PHASES)
@given(scenario=SCENARIOS)
def test_commands_of_an_item_run_in_order_and_one_batch_at_a_time(scenario: Scenario) -> None:
    run = Recorded(replace(scenario, horizon=500), replace(deployed(), table_first=100))
    run.run()
    assert run.order
    assert run.at_once == 1
    assert all(numbers == sorted(set(numbers)) for numbers in run.order.values())


def test_others_wait_while_one_item_fills_the_window() -> None:
    limits = replace(deployed(), window=100)
    blocked = JobByJob(Scenario(5, 20, 20, hot=300), limits, aws()).run()
    free = JobByJob(Scenario(5, 20, 20, hot=90), limits, aws()).run()
    assert blocked.delayed["window"] > 0
    assert free.first_end is not None
    assert free.first_end < 2
    # Other items enter the window when as many hot commands are done as were beyond it.
    assert blocked.first_end is not None
    assert blocked.first_end > (300 - 100) / (blocked.hot_done / blocked.ended_at) * 0.9


@pytest.mark.parametrize("seconds", [15, 40])
def test_cohorts_agree_with_job_by_job(seconds: int) -> None:
    limits = replace(deployed(), key_rate=1_000, key_burst=1_000)
    scenario = Scenario(50, 90, 600, outage=Outage(20, seconds, WORKER))
    one, other = JobByJob(scenario, limits, aws()).run(), Cohorts(scenario, limits, aws()).run()
    assert other.offered == pytest.approx(one.offered, rel=0.05)
    assert other.latencies.mean == pytest.approx(one.latencies.mean, rel=0.1)
    assert other.highest_backlog == pytest.approx(one.highest_backlog, rel=0.1)
    assert other.latencies.percentile(99) == pytest.approx(one.latencies.percentile(99), abs=1)  # a tick
    assert other.latencies.percentile(25) == pytest.approx(one.latencies.percentile(25), rel=0.25)


def test_backoffs_are_those_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for times in (1, 2, 5, 11, 12, 1_000):
        rng = random.Random(times)
        monkeypatch.setattr(random, "uniform", random.Random(times).uniform)  # the worker calls it
        assert backoff_seconds(times, rng) == consume_batch.backoff_seconds(times)
    assert backoff_seconds(1_000, random.Random(1)) <= LONGEST_BACKOFF.total_seconds()


@given(times=st.lists(st.floats(0.001, 10_000), min_size=1, max_size=200))
def test_percentiles_are_exact_to_the_width_of_a_bar(times: list[float]) -> None:
    latencies = Latencies()
    for time in times:
        latencies.add(time)
    assert latencies.percentile(50) == pytest.approx(sorted(times)[(len(times) + 1) // 2 - 1], rel=0.011)
    assert latencies.percentile(100) == pytest.approx(max(times), rel=0.011)


def test_the_limit_of_the_key_is_reached_first_and_raising_it_suffices() -> None:
    steps, limits, outcome = size(Scenario(60, 60, 120), deployed())
    assert [step.cause for step in steps] == ["key"]
    assert limits.key_rate >= 60 * 3
    assert outcome.refused_share < 0.001


def test_no_limit_is_reached_at_a_small_rate() -> None:
    assert size(Scenario(5, 60, 120), deployed())[0] == []


def test_limits_that_are_reached_at_the_same_time_are_ordered_by_name() -> None:
    """The order of a set would differ between processes."""
    outcome = Outcome(offered=100)
    for cause in ("route", "key", "send", "account", "lambda"):
        outcome.refuse(cause, 10, now=3.0)
    assert first_broken(outcome, Scenario(10, 60, 60)) == "account"
