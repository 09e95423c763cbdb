"""Runs the checks one after the other, each within its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from scripts.prove.bench import Bench
from scripts.prove.callers import UnexpectedAnswerError
from scripts.prove.checks import (
    agreement,
    contract,
    events,
    latency,
    lost_answers,
    names,
    order,
    owners,
    replaced_worker,
    schedule,
    unreadable,
)
from scripts.prove.findings import Finding, State, judge, unfinished, worst
from scripts.prove.made import FAILURES, one_line

Say = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """A check, the main promise that it tries, and its function."""

    name: str
    promise: str
    run: Callable[[Bench], list[Finding]]


@dataclass(frozen=True)
class Done:
    """The findings of a check, and how long it took."""

    check: str
    findings: list[Finding]
    seconds: float

    @property
    def state(self) -> State:
        """The worst of its findings."""
        return worst(each.state for each in self.findings)


CHECKS = (
    Check("contract", "P7", contract.run),
    Check("owners", "P9", owners.run),
    Check("order", "P3", order.run),
    Check("lost answers", "P4", lost_answers.run),
    Check("names", "P5", names.run),
    Check("unreadable message", "P8", unreadable.run),
    Check("replaced worker", "P1", replaced_worker.run),
    Check("events", "P10", events.run),
    Check("schedule", "P11", schedule.run),
    Check("latency", "", latency.run),
    Check("audit", "P6", agreement.run),
)
NAMES = tuple(check.name for check in CHECKS)


def run_check(bench: Bench, check: Check) -> Done:
    """Run a check, which an error of the stage or of AWS leaves unfinished."""
    began = time.monotonic()
    bench.until = began + bench.plan.seconds(check.name)
    try:
        findings = check.run(bench)
    except FAILURES as error:
        findings = [ended_early(check, error)]
    return Done(check.name, findings, time.monotonic() - began)


def ended_early(check: Check, error: BaseException) -> Finding:
    """Return the finding about a check that an error has ended. Refusing a valid request breaks the promise."""
    why = f"it ended early: {one_line(error)}"
    if isinstance(error, UnexpectedAnswerError) and error.is_refusal:
        return judge(check.name, check.promise, "began the check", "", [why])
    return unfinished(check.name, check.promise, "began the check", why)
