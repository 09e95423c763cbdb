"""One run: a stage, chaos for a bounded time, calm, and then the questions."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import tenacity

from api_lambda.chalicelib.endpoints.routes import ROUTES
from infra.cli.progress import Progress
from tests.chaos import stores
from tests.chaos.background import repeated
from tests.chaos.caller import Caller, Record
from tests.chaos.faults import CALM, DYNAMODB, S3, SQS, Faults, Rates
from tests.chaos.history import DONE, FAILED, Command, End, History, violations
from tests.chaos.intruder import Intruder
from tests.chaos.laboratory import Laboratory, laboratory
from tests.chaos.load import HOT_ITEMS, Person, World
from tests.chaos.poison import ATTEMPTS, Batch, Mapping, one_batch
from tests.chaos.tally import Tally
from tests.conftest import a_key

_PROBLEM = "urn:jobpipe:problem:"


@dataclass(frozen=True)
class Plan:
    """How much of it, and for how long at most."""

    seed: int
    jobs: int = 500
    seconds: float = 60.0  # of chaos; what has been accepted by then is seen to its end
    settle: float = 120.0  # for all to end afterwards
    callers: int = 8
    owners: int = 3
    backlog: int = 100  # messages, until callers are held back
    storm_every: float = 6.0  # seconds, on average
    storm_length: float = 2.0
    intrude_every: float = 0.5
    garbage: int = 10
    large: tuple[int, ...] = (6_000, 30_000, 230_000)
    rates: Rates = field(default_factory=Rates)


@dataclass
class Verdict:
    """What happened, and what of it should not have."""

    plan: Plan
    world: World
    record: Record
    lab: Laboratory
    seconds: float = 0.0  # of chaos
    settled: float = 0.0  # seconds from then until all had ended
    poison: Batch | None = None
    intruded: Tally = field(default_factory=Tally)  # messages that no caller sent
    checks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def unanswered(self) -> int:
        """Commands without a key, of which nobody knows whether they were accepted."""
        return sum(not command.accepted for command in self.world.commands)

    @property
    def passed(self) -> bool:
        return bool(self.checks) and not any(self.checks.values())


def run(plan: Plan, state_dir: Path, say: Callable[[str], None], progress: Progress | None = None) -> Verdict:
    """Everything, from nothing to a verdict; leaves nothing behind."""
    faults = Faults(plan.seed, CALM)
    say("deploying into an emulator of this run's own")
    with laboratory(state_dir, faults, progress) as lab, ExitStack() as stack:
        warm_up = {row["job_id"]["S"] for row in stores.rows(lab.stage, "jobs_table")}
        large = plan.large if lab.queue("parked") else tuple(size for size in plan.large if size < 200_000)
        verdict = Verdict(plan, World(plan.seed, large), Record(), lab)
        keys = [stack.enter_context(a_key(lab.stage, f"chaos{number}")) for number in range(plan.owners)]
        callers = [Caller(lab.base_url, key, verdict.record) for key in keys]
        take_back = any(route.path.endswith("/retry") for route in ROUTES)
        people = [
            Person(number, callers[number % len(callers)], verdict.world, can_take_back=take_back)
            for number in range(plan.callers)
        ]
        sqs, commands_queue = lab.stage.aws("sqs"), lab.stage.resources["commands_queue_url"]
        intruder = Intruder(sqs, commands_queue, plan.seed, verdict.intruded)
        _chaos(plan, verdict, people, intruder, say)
        say("calm; waiting for every job to end")
        _settle(plan, verdict, intruder)
        say("asking what became of everything")
        history = _collect(people, verdict, lab)
        verdict.checks = violations(history)
        _check_the_rest(verdict, people, intruder, warm_up)
        return verdict


def _chaos(
    plan: Plan, verdict: Verdict, people: list[Person], intruder: Intruder, say: Callable[[str], None]
) -> None:
    lab, world = verdict.lab, verdict.world
    started = time.monotonic()
    if lab.queue("parked"):  # the worker counts attempts
        mapping = Mapping(lab.stage.aws("lambda"), lab.worker)
        verdict.poison = one_batch(people[0].create, mapping, lambda: stores.waiting(lab.stage, "commands"))
    for number in range(HOT_ITEMS):
        command = people[0].create(f"hot {number} {world.run_id}")
        world.hot.append(str(command.item_id))
    lab.proxy.forwarded = intruder.see
    lab.faults.rates = plan.rates
    garbage = plan.garbage if lab.queue("parked") else 0
    numbers, until = itertools.count(len(world.commands)), started + plan.seconds

    room = threading.Event()

    def more() -> bool:
        room.wait(max(0.0, until - time.monotonic()))
        return time.monotonic() < until and next(numbers) < plan.jobs

    with (
        _holding_back(plan, lab, room),
        intruder.at_work(plan.intrude_every, world.hot, garbage=garbage),
        _storms(plan, lab),
        ThreadPoolExecutor(len(people), thread_name_prefix="caller") as pool,
    ):
        say(f"{len(people)} callers at work")
        for done in [pool.submit(person.work, more) for person in people]:
            done.result()
    lab.faults.calm()
    verdict.seconds = time.monotonic() - started


def _holding_back(plan: Plan, lab: Laboratory, room: threading.Event) -> AbstractContextManager[None]:
    """No more commands while many wait, so that chaos meets the worker at work and callers learn of ends."""

    def look() -> None:
        if stores.waiting(lab.stage, "commands") < plan.backlog:
            room.set()
        else:
            room.clear()

    look()
    return repeated(look, lambda: 0.1)


def _storms(plan: Plan, lab: Laboratory) -> AbstractContextManager[None]:
    """From time to time one service refuses nearly everything; not before the poison has spent its attempts, for in
    a storm each of them takes as long as the worker may.
    """
    chance = random.Random(f"storms {plan.seed}")

    def turn() -> None:
        if lab.happened["killed by poison"] < ATTEMPTS and lab.queue("parked"):
            return
        if lab.faults.storm is None:
            lab.faults.storm = chance.choice((DYNAMODB, S3, SQS))
            lab.happened.add(f"storms of {lab.faults.storm}")
        else:
            lab.faults.storm = None

    return repeated(
        turn, lambda: plan.storm_length if lab.faults.storm else chance.uniform(0.5, 1.5) * plan.storm_every
    )


def _settle(plan: Plan, verdict: Verdict, intruder: Intruder) -> None:
    """Until the queues are empty, stale copies of long ended commands included; or the time is up."""
    started = time.monotonic()
    intruder.copy_late(20)
    names = [name for name in ("commands", "dead_letters") if verdict.lab.queue(name)]
    empty = tenacity.Retrying(
        stop=tenacity.stop_after_delay(plan.settle),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_result(lambda number: number > 0),
        retry_error_callback=lambda _: None,
    )
    empty(lambda: sum(stores.waiting(verdict.lab.stage, name) for name in names))
    verdict.settled = time.monotonic() - started


def _collect(people: list[Person], verdict: Verdict, lab: Laboratory) -> History:
    """Every job as its caller sees it at the end, and every item."""
    direct = [
        (Caller(lab.stage.deployment.base_url, person.caller.api_key, verdict.record), command)
        for person in people
        for command in person.mine
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: _see_end(*pair), direct))
    items = {item.id: {k: v for k, v in item.items() if k != "id"} for item in lab.stage.client.iter_items(100)}
    return History(verdict.world.commands, items)


def _see_end(caller: Caller, command: Command) -> None:
    for job_id in command.job_ids:
        answer = caller.repeated("GET", f"/jobs/{job_id}", patience=20)
        if answer is not None and answer.status == 200:
            command.end = _end(answer.document)


def _end(job: Any) -> End:
    result = job.get("result")
    seconds = (
        datetime.fromisoformat(job["updated_at"]) - datetime.fromisoformat(job["created_at"])
    ).total_seconds()
    return End(
        job["id"],
        job["status"],
        problem=job["error"]["type"].removeprefix(_PROBLEM) if job["status"] == "failed" else None,
        result={k: v for k, v in result.items() if k != "id"} if isinstance(result, dict) else None,
        etag=job.get("etag"),
        attempts=job["attempts"],
        seconds=seconds if job["status"] in DONE else 0.0,
    )


def _check_the_rest(verdict: Verdict, people: list[Person], intruder: Intruder, warm_up: set[str]) -> None:
    stage, checks = verdict.lab.stage, verdict.checks
    known = {job_id for command in verdict.world.commands for job_id in command.job_ids}
    left = {name: stores.waiting(stage, name) for name in ("commands", "dead_letters") if verdict.lab.queue(name)}
    checks["queues empty"] = [f"{number} messages on {name}" for name, number in left.items() if number]
    checks["no answer that no fault explains"] = verdict.record.surprises
    checks["trouble is listed as it is"] = list(_listed(people))
    checks["no exception but for outages"] = list(stores.faults_of_ours(stage))
    checks["no job of nobody"] = list(stores.jobs_of_nobody(stage, known | warm_up, verdict.unanswered))
    checks["audit clean"] = list(stores.audit(verdict.lab.state_dir, known))
    if verdict.lab.queue("parked"):
        checks["garbage parked with its reason"] = list(stores.garbage_parked(stage, intruder.garbage))
    if verdict.poison:
        checks["poison contained"] = verdict.poison.violations()


def _listed(people: list[Person]) -> Iterator[str]:
    """Each caller's failed jobs, and only those, are in its list of failed jobs; none is retrying."""
    for caller in {person.caller for person in people}:
        mine = [c.end for person in people if person.caller is caller for c in person.mine if c.end is not None]
        failed = {end.job_id for end in mine if end.status == FAILED}
        ended_well = {end.job_id for end in mine} - failed
        # Failed jobs that nobody was told of are in the list too.
        there = caller.all_pages("/jobs?status=failed&limit=100")
        yield from (f"job {job_id} failed and is not listed" for job_id in failed - there)
        yield from (f"job {job_id} did not fail and is listed" for job_id in there & ended_well)
        yield from (f"job {job_id} is listed as retrying" for job_id in caller.all_pages("/jobs?status=retrying"))
