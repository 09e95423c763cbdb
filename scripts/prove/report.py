"""The report of a run as JSON, without keys, account numbers, and addresses of the stage and of receivers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.errors import OperatorError
from jobpipe.domain.clock import rfc3339
from scripts.prove.bench import Figure
from scripts.prove.checking import Done
from scripts.prove.expenses import JOB, Line, documented
from scripts.prove.facts import Facts
from scripts.prove.findings import PROMISES, State, worst

FORMAT = 1
IN_PART = "held in part"
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z-])[0-9]{12}(?![0-9A-Za-z-])")
_HIDDEN = "…"


@dataclass(frozen=True)
class Report:
    """The results of a run, which may have been interrupted."""

    facts: Facts
    run: str  # the name of the run, with which the names of its items and owners begin
    began: datetime
    ended: datetime
    quick: bool
    rate: float
    planned_dollars: Decimal
    checks: Sequence[Done]
    figures: Sequence[Figure]
    bill: Sequence[Line]
    throttled: int
    left: Sequence[str]  # what could not be deleted
    missing: Sequence[str] = ()  # checks that were not begun
    left_out: Sequence[str] = ()  # checks that were not asked for
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def states(self) -> dict[State, int]:
        """The number of findings in each state."""
        found = [finding.state for check in self.checks for finding in check.findings]
        return {state: found.count(state) for state in State}

    @property
    def promises(self) -> dict[str, str]:
        """The worst state among the findings of each promise, or IN_PART if it held but was not fully tried."""
        found = [finding for check in self.checks for finding in check.findings]
        states = {}
        for promise in PROMISES:
            of_it = [finding.state for finding in found if finding.promise == promise]
            state = worst(of_it)
            in_part = state is State.HELD and State.NOT_TRIED in of_it
            states[promise] = IN_PART if in_part else state.value
        return states

    @property
    def verdict(self) -> str:
        """One line on the run."""
        parts = [f"{number} {state.value}" for state, number in self.states.items() if number]
        interrupted = f", interrupted before {len(self.missing)} of its checks" if self.missing else ""
        left_out = f", {len(self.left_out)} checks left out" if self.left_out else ""
        left = f", {len(self.left)} things could not be deleted" if self.left else ""
        return ", ".join(parts or ["nothing found"]) + left_out + interrupted + left

    @property
    def dollars(self) -> Decimal:
        return sum((line.dollars for line in self.bill), Decimal())

    @property
    def jobs(self) -> int:
        return next((line.number for line in self.bill if line.kind == JOB), 0)

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        found = {
            "format": FORMAT,
            "stage": self.facts.stage,
            "target": self.facts.target,
            "region": self.facts.region,
            "version": self.facts.version,
            "run": self.run,
            "began": rfc3339(self.began),
            "ended": rfc3339(self.ended),
            "seconds": round((self.ended - self.began).total_seconds(), 1),
            "quick": self.quick,
            "commands_a_second_at_most": self.rate,
            "verdict": self.verdict,
            "findings": {state.value: number for state, number in self.states.items()},
            "promises": self.promises,
            "checks": [
                {
                    "name": check.check,
                    "state": check.state.value,
                    "seconds": round(check.seconds, 1),
                    "findings": [asdict(finding) for finding in check.findings],
                }
                for check in self.checks
            ],
            "not_begun": list(self.missing),
            "left_out": list(self.left_out),
            "milliseconds": [
                {**asdict(each), "p50": round(each.p50, 1), "p95": round(each.p95, 1)} for each in self.figures
            ],
            "calls": [
                {
                    "what": line.what,
                    "number": line.number,
                    "dollars_a_million": round(float(line.per_million), 2),
                    "dollars": round(float(line.dollars), 6),
                }
                for line in self.bill
            ],
            "throttled": self.throttled,
            "dollars": round(float(self.dollars), 6),
            "dollars_planned": round(float(self.planned_dollars), 6),
            "dollars_a_million_commands": round(float(self.dollars) / max(1, self.jobs) * 1_000_000, 2),
            "documented_dollars_a_million_creates_with_one_poll": {
                load: round(float(dollars), 2) for load, dollars in documented().items()
            },
            "left": list(self.left),
        }
        cleaned: dict[str, Any] = cleaned_of(found, self.secrets)
        return cleaned


def cleaned_of(value: Any, secrets: Sequence[str]) -> Any:
    """Return the JSON value without the secrets, the hosts and paths of secret URLs, and account numbers."""
    if isinstance(value, dict):
        return {name: cleaned_of(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [cleaned_of(each, secrets) for each in value]
    if not isinstance(value, str):
        return value
    for secret in sorted(_parts(secrets), key=len, reverse=True):
        value = value.replace(secret, _HIDDEN)
    return _ACCOUNT.sub(_HIDDEN, value)


def _parts(secrets: Sequence[str]) -> set[str]:
    """Return the secrets and, for URLs, also the host, the path and the query."""
    found = {each for each in secrets if each}
    for url in [each for each in found if "://" in each]:
        parts = urlsplit(url)
        found |= {part for part in (parts.netloc, parts.path, parts.query) if len(part) > 1}
    return found


def write(path: Path, text: str) -> None:
    """Write a file atomically."""
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from None
