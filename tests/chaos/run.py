"""One run: deploy a stage, inject faults for a limited time, wait for all jobs to end, and check everything."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import tenacity

from api_lambda.chalicelib.endpoints.routes import ROUTES
from infra.cli.progress import Progress
from tests.chaos import stores
from tests.chaos.background import repeatedly
from tests.chaos.chaos_stage import ChaosStage, chaos_stage
from tests.chaos.faults import DYNAMODB, NO_FAULTS, S3, SQS, Call, Faults, Rates
from tests.chaos.history import DONE, FAILED, Command, End, History, violations
from tests.chaos.injector import Injector
from tests.chaos.load import FULL_BATCHES, HOT_ITEMS, Bursts, RandomCaller, SharedState
from tests.chaos.notifications import FailingReceivers
from tests.chaos.poison import ATTEMPTS, Batch, one_batch
from tests.chaos.sender import Record, Sender
from tests.chaos.tally import Tally
from tests.chaos.transactions import Grouping, Transactions
from tests.conftest import a_key
from tests.helpers.event_source import EventSourceMapping

_PROBLEM = "urn:jobpipe:problem:"
_LONGEST_GATHERING = 10.0  # seconds; callers may be too slow, or wait for jobs


@dataclass(frozen=True)
class Plan:
    """The size and the limits of a run."""

    seed: int
    jobs: int = 500
    seconds: float = 60.0  # of chaos; commands that were accepted by then still end
    settle: float = 120.0  # the longest time for all jobs to end afterwards
    callers: int = 8
    owners: int = 3
    backlog: int = 100  # the number of messages at which callers pause
    gather: int = 0  # the number of messages that gather from time to time before the worker gets any
    gather_every: float = 3.0  # seconds for which the worker gets messages in between, on average
    outage_every: float = 6.0  # seconds, on average
    outage_length: float = 2.0
    inject_every: float = 0.5
    malformed: int = 10  # messages
    large: tuple[int, ...] = (6_000, 30_000, 230_000, 400_000)
    rates: Rates = field(default_factory=Rates)


def plan_of_groups(plan: Plan) -> Plan:
    """Return the plan with full batches, and with fewer faults: what was delivered once before is in no group."""
    rates = replace(plan.rates, refuse=0.005, drop=0.002, lose=0.004, kill=0.003, interrupt=100)
    return replace(plan, gather=40, outage_every=15.0, rates=rates)


@dataclass
class Verdict:
    """The results of a run and of its checks."""

    plan: Plan
    state: SharedState
    record: Record
    chaos: ChaosStage
    seconds: float = 0.0  # of chaos
    settled: float = 0.0  # seconds from the end of chaos until all jobs had ended
    poison: Batch | None = None
    messages: Tally = field(default_factory=Tally)  # injected messages
    grouping: Grouping = field(default_factory=Grouping)
    receivers: FailingReceivers | None = None
    checks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def unanswered(self) -> int:
        """The number of commands without a key that may have been accepted or not."""
        return sum(not command.accepted for command in self.state.commands)

    @property
    def passed(self) -> bool:
        return bool(self.checks) and not any(self.checks.values())


def run(plan: Plan, state_dir: Path, say: Callable[[str], None], progress: Progress | None = None) -> Verdict:
    """Do a run on a new stage, and delete the stage."""
    faults = Faults(plan.seed, NO_FAULTS)
    say("deploying into a separate emulator")
    with chaos_stage(state_dir, faults, progress) as chaos, ExitStack() as stack:
        warm_up = {row["job_id"]["S"] for row in stores.rows(chaos.stage, "jobs_table")}
        large = plan.large if chaos.queue("parked") else tuple(size for size in plan.large if size < 200_000)
        bursts = FULL_BATCHES if plan.gather else Bursts()
        verdict = Verdict(plan, SharedState(plan.seed, large, bursts), Record(), chaos)
        keys = [stack.enter_context(a_key(chaos.stage, f"chaos{number}")) for number in range(plan.owners)]
        senders = [Sender(chaos.base_url, key, verdict.record) for key in keys]
        if "webhooks_table" in chaos.stage.resources:
            verdict.receivers = stack.enter_context(FailingReceivers(plan.seed))
            for sender in senders:
                verdict.receivers.add(sender)
        can_retry = any(route.path.endswith("/retry") for route in ROUTES)
        callers = [
            RandomCaller(number, senders[number % len(senders)], verdict.state, can_retry=can_retry)
            for number in range(plan.callers)
        ]
        sqs, commands_queue = chaos.stage.aws("sqs"), chaos.stage.resources["commands_queue_url"]
        injector = Injector(sqs, commands_queue, plan.seed, verdict.messages)
        transactions = Transactions(chaos.stage.resources["jobs_table"])
        _inject(plan, verdict, callers, injector, transactions, say)
        say("no more faults; waiting for all jobs to end")
        _settle(plan, verdict, injector)
        say("reading all jobs and items")
        history = _collect(callers, verdict, chaos)
        items = {job: str(command.item_id) for command in history.commands for job in command.job_ids}
        verdict.grouping = transactions.grouping(items)
        verdict.checks = violations(history)
        if verdict.receivers:
            say("waiting until all events are delivered")
            verdict.receivers.settle(history, plan.settle)
            verdict.checks |= verdict.receivers.violations(history)
        _check_stage(verdict, callers, injector, warm_up)
        return verdict


def _inject(
    plan: Plan,
    verdict: Verdict,
    callers: list[RandomCaller],
    injector: Injector,
    transactions: Transactions,
    say: Callable[[str], None],
) -> None:
    chaos, state = verdict.chaos, verdict.state
    started = time.monotonic()
    mapping = EventSourceMapping(chaos.stage.aws("lambda"), chaos.worker)
    if chaos.queue("parked"):  # this release counts attempts
        verdict.poison = one_batch(callers[0].create, mapping, lambda: stores.waiting(chaos.stage, "commands"))
    for number in range(HOT_ITEMS):
        command = callers[0].create(f"hot {number} {state.run_id}")
        state.hot.append(str(command.item_id))

    def observe(call: Call) -> None:
        injector.observe(call)
        transactions.observe(call)

    chaos.proxy.forwarded = observe
    chaos.faults.rates = plan.rates
    malformed = plan.malformed if chaos.queue("parked") else 0
    numbers, until = itertools.count(len(state.commands)), started + plan.seconds

    room = threading.Event()

    def more() -> bool:
        room.wait(max(0.0, until - time.monotonic()))
        return time.monotonic() < until and next(numbers) < plan.jobs

    with (
        _limited_backlog(plan, chaos, room),
        injector.running(plan.inject_every, state.hot, malformed=malformed),
        _outages(plan, chaos),
        _gathering(plan, chaos, mapping),
        verdict.receivers.outages() if verdict.receivers else nullcontext(),
        ThreadPoolExecutor(len(callers), thread_name_prefix="caller") as pool,
    ):
        say(f"{len(callers)} callers send commands")
        for done in [pool.submit(caller.work, more) for caller in callers]:
            done.result()
    chaos.faults.stop()
    if verdict.receivers:
        verdict.receivers.stop()
    verdict.seconds = time.monotonic() - started


def _limited_backlog(plan: Plan, chaos: ChaosStage, room: threading.Event) -> AbstractContextManager[None]:
    """Make callers pause while many messages wait, so that their jobs end during chaos."""

    def check() -> None:
        if stores.waiting(chaos.stage, "commands") < plan.backlog:
            room.set()
        else:
            room.clear()

    check()
    return repeatedly(check, lambda: 0.1)


def _gathering(plan: Plan, chaos: ChaosStage, mapping: EventSourceMapping) -> AbstractContextManager[None]:
    """Keep the messages from the worker from time to time until they fill several batches."""
    if not plan.gather:
        return nullcontext()
    enough = tenacity.Retrying(
        stop=tenacity.stop_after_delay(_LONGEST_GATHERING),
        wait=tenacity.wait_fixed(0.1),
        retry=tenacity.retry_if_result(lambda number: number < plan.gather),
        retry_error_callback=lambda _: None,
    )

    def gather() -> None:
        with mapping.disabled():
            enough(lambda: stores.waiting(chaos.stage, "commands", in_flight=False))

    chance = random.Random(f"gathering {plan.seed}")
    return repeatedly(gather, lambda: chance.uniform(0.5, 1.5) * plan.gather_every)


def _outages(plan: Plan, chaos: ChaosStage) -> AbstractContextManager[None]:
    """Give one service an outage from time to time. The first begins when the poison command has spent its
    attempts, since in an outage each of them lasts until the worker's timeout.
    """
    chance = random.Random(f"outages {plan.seed}")

    def turn() -> None:
        if chaos.injected["killed by poison"] < ATTEMPTS and chaos.queue("parked"):
            return
        if chaos.faults.outage is None:
            chaos.faults.outage = chance.choice((DYNAMODB, S3, SQS))
            chaos.injected.add(f"outages of {chaos.faults.outage}")
        else:
            chaos.faults.outage = None

    return repeatedly(
        turn, lambda: plan.outage_length if chaos.faults.outage else chance.uniform(0.5, 1.5) * plan.outage_every
    )


def _settle(plan: Plan, verdict: Verdict, injector: Injector) -> None:
    """Send late duplicates, and wait until the queues are empty or the time is up."""
    started = time.monotonic()
    injector.duplicate_late(20)
    names = [name for name in ("commands", "dead_letters", "events") if verdict.chaos.queue(name)]
    empty = tenacity.Retrying(
        stop=tenacity.stop_after_delay(plan.settle),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_result(lambda number: number > 0),
        retry_error_callback=lambda _: None,
    )
    empty(lambda: sum(stores.waiting(verdict.chaos.stage, name) for name in names))
    verdict.settled = time.monotonic() - started


def _collect(callers: list[RandomCaller], verdict: Verdict, chaos: ChaosStage) -> History:
    """Read every job as its caller, and every item."""
    direct = [
        (Sender(chaos.stage.deployment.base_url, caller.sender.api_key, verdict.record), command)
        for caller in callers
        for command in caller.mine
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: _read_end(*pair), direct))
    items = {item.id: {k: v for k, v in item.items() if k != "id"} for item in chaos.stage.client.iter_items(100)}
    return History(verdict.state.commands, items)


def _read_end(sender: Sender, command: Command) -> None:
    for job_id in command.job_ids:
        answer = sender.send("GET", f"/jobs/{job_id}", longest=20)
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


def _check_stage(verdict: Verdict, callers: list[RandomCaller], injector: Injector, warm_up: set[str]) -> None:
    stage, checks = verdict.chaos.stage, verdict.checks
    known = {job_id for command in verdict.state.commands for job_id in command.job_ids}
    left = {name: stores.waiting(stage, name) for name in ("commands", "dead_letters") if verdict.chaos.queue(name)}
    checks["the queues are empty"] = [f"{number} messages on {name}" for name, number in left.items() if number]
    checks["no answer is unexpected"] = verdict.record.unexpected
    checks["lists show failed and retrying jobs"] = list(_listed(callers))
    checks["only outages cause exceptions"] = list(stores.logged_faults(stage))
    checks["every job has its command"] = list(stores.unknown_jobs(stage, known | warm_up, verdict.unanswered))
    checks["the audit finds nothing"] = list(stores.audit(verdict.chaos.state_dir, known))
    if verdict.chaos.queue("parked"):
        checks["malformed messages are parked"] = list(stores.malformed_are_parked(stage, injector.malformed))
    if verdict.plan.gather:
        checks["commands were committed in groups"] = list(_not_grouped(verdict.grouping))
    if verdict.poison:
        checks["the poison command delays only its item"] = verdict.poison.violations()


def _not_grouped(grouping: Grouping) -> Iterator[str]:
    """The run has done what it is for."""
    if not grouping.groups:
        yield "no transaction ended several jobs"
    if not grouping.folded:
        yield "no two commands of one document were in one transaction"


def _listed(callers: list[RandomCaller]) -> Iterator[str]:
    """The list of failed jobs of each caller has exactly these; no job is retrying."""
    for sender in {caller.sender for caller in callers}:
        ends = [c.end for each in callers if each.sender is sender for c in each.mine if c.end is not None]
        failed = {end.job_id for end in ends if end.status == FAILED}
        others = {end.job_id for end in ends} - failed
        # The list also has failed jobs whose ids no caller got.
        shown = sender.all_pages("/jobs?status=failed&limit=100")
        yield from (f"job {job_id} failed and is not listed" for job_id in failed - shown)
        yield from (f"job {job_id} did not fail and is listed" for job_id in shown & others)
        yield from (f"job {job_id} is listed as retrying" for job_id in sender.all_pages("/jobs?status=retrying"))
