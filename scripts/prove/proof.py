"""A run from the first key to the report. It always deletes what it made, however it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console

from infra.cli.signals import uninterrupted
from jobpipe.domain.clock import now
from scripts.prove.bench import Bench
from scripts.prove.checking import CHECKS, Check, Done, run_check
from scripts.prove.expenses import bill
from scripts.prove.findings import State
from scripts.prove.page import page
from scripts.prove.report import Report, cleaned_of, write

BROKEN, UNFINISHED = 3, 4
_STYLES = {State.HELD: "green", State.BROKEN: "bold red", State.MEASURED: "green"}


def status_of(report: Report) -> int:
    """Return the exit status of a run that was not interrupted."""
    if report.states[State.BROKEN]:
        return BROKEN
    return UNFINISHED if report.states[State.UNFINISHED] or report.left else 0


@dataclass
class Proof:
    """A run, and where its report is written."""

    console: Console
    bench: Bench
    folder: Path
    checks: Sequence[Check] = CHECKS
    began: datetime = field(default_factory=now)
    done: list[Done] = field(default_factory=list)

    def run(self) -> int:
        """Run all checks, delete what they made, write the report, and return the exit status."""
        try:
            self.bench.open(self._say)
            for check in self.checks:
                found = run_check(self.bench, check)
                self.done.append(found)
                self._print(found)
        except KeyboardInterrupt:
            with uninterrupted():
                self._finish()
            raise
        except BaseException:
            with uninterrupted():
                self._say_left(self._cleaned(self._clean_up()))
            raise
        with uninterrupted():
            report = self._finish()
        return status_of(report)

    def _finish(self) -> Report:
        """Delete what was made, write the report, and print what it says."""
        left = self._clean_up()
        bench, plan, tally = self.bench, self.bench.plan, self.bench.shared.tally
        report = Report(
            facts=plan.facts,
            run=bench.name,
            began=self.began,
            ended=now(),
            quick=plan.size.quick,
            rate=plan.rate,
            planned_dollars=plan.dollars(),
            checks=self.done,
            figures=bench.figures,
            bill=bill(tally.counts, events=plan.facts.events),
            throttled=tally.throttled,
            left=left,
            missing=[check.name for check in self.checks[len(self.done) :]],
            left_out=[check.name for check in CHECKS if check not in self.checks],
            secrets=bench.secrets,
        )
        document = report.document()
        stem = f"{plan.facts.stage}-{self.began:%Y%m%dT%H%M%SZ}"
        write(self.folder / f"{stem}.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        write(self.folder / f"{stem}.html", page(document))
        self._say_left(document["left"])
        style = "bold red" if report.states[State.BROKEN] or left else "bold green"
        seconds = (report.ended - report.began).total_seconds()
        self.console.print(f"{document['verdict']} in {seconds:.0f} s", style=style, markup=False)
        self._say(f"the report: {self.folder / stem}.html and .json")
        return report

    def _clean_up(self) -> list[str]:
        self.bench.shared.stopped.clear()  # all threads have ended, and the deletions need requests
        self._say("deleting what was made")
        return self.bench.made.clean_up()

    def _print(self, done: Done) -> None:
        """Print a line about a check, and a line about each finding that did not hold."""
        style = _STYLES.get(done.state, "yellow")
        held = sum(each.state is State.HELD for each in done.findings)
        self.console.print(f"[{style}]{done.state.value:10}[/] {done.check:20} {held} held, {done.seconds:.0f} s")
        for each in done.findings:
            if each.state in {State.BROKEN, State.UNFINISHED, State.NOT_TRIED}:
                self._say(str(self._cleaned(f"{'':11}{each.state.value}: {each.name}: {each.seen}")))

    def _cleaned(self, value: object) -> object:
        return cleaned_of(value, self.bench.secrets)

    def _say_left(self, left: object) -> None:
        for each in left if isinstance(left, list) else ():
            self.console.print(f"left: {each}", style="bold red", markup=False)

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False)
