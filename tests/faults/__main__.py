"""`make faults`: faults beyond those of `make test`, on all cores.

    python -m tests.faults --singles [--jobs N] [scenario ...]
    python -m tests.faults [--all] [--share 0.05] [--seed 0] [--jobs N] [scenario ...]
    python -m tests.faults --groups [--each-batch] [--sample 500] [--seed 0] [--jobs N]
    python -m tests.faults put --at "4:process gone after" --at "9:overtaken"
    python -m tests.faults --collections FOLDER [...]

With --singles, each run has one fault: every kind at every call of every scenario. Otherwise each run has two:
every first fault of every scenario, with a random share of the later second faults, or with all of them. With
--groups, they are pairs in batches of one, two and ten messages: one for each two kinds of fault at each two call
sites, and a random sample of all. With --collections, the scenarios are those of this folder's collections and
operations, derived from their schemas, each run has one fault unless --all is given, and the report ends with what
was proved.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from infra.emulator import ensure_venv
from infra.errors import OperatorError
from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.all import derived, scenarios
from tests.faults.schedules.group_pairs import BATCHES, first_faults, one_of_each_two_places, random_pairs
from tests.faults.schedules.kinds import Fault, Kind
from tests.faults.schedules.pairs import Found, Task, find_pairs, run_pairs, run_these
from tests.faults.schedules.processes import Report, process_runner, run_in_processes
from tests.faults.schedules.schedule import describe
from tests.faults.schedules.singles import run_scenario
from tests.faults.stage.shelves import FOLDER

_SHARE = 0.05
_SAMPLE = 500
_PART = 10  # pairs of one task
_SHOWN = 20


def main(arguments: Sequence[str]) -> int:
    options = _options().parse_args(arguments)
    ensure_venv()  # once, before several processes need it
    try:
        untried, known = _scenarios(options)
    except OperatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.groups:
        return _pairs_in_groups(options)
    names = options.scenarios or [name for name in known if name not in BATCHES]
    if options.at:
        return _run_one(names[0], [_fault(text) for text in options.at])
    if options.singles or (options.collections and not options.all):
        reports = run_in_processes(run_scenario, names, options.jobs)
        status = _report(reports, len(names), "scenarios", "single faults")
        if options.collections:
            _say_what_was_proved(names, untried, status)
        return status
    share = 1.0 if options.all else options.share
    firsts = [(name, first) for name in names for first in process_runner().singles(name)]
    tasks = [Task(name, first, options.seed, share) for name, first in firsts]
    what = f"pairs of faults (share {share}, seed {options.seed})"
    return _report(run_in_processes(run_pairs, tasks, options.jobs), len(tasks), "first faults", what)


def _scenarios(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return what no document was found for, and the names of the scenarios; raise OperatorError for mistakes."""
    untried: list[str] = []
    if options.groups and (options.collections or options.scenarios):
        raise OperatorError("--groups has scenarios of its own")
    if options.collections:
        os.environ[FOLDER] = str(Path(options.collections).absolute())
        untried = derived().untried
    known = list(scenarios())
    unknown = [name for name in options.scenarios if name not in known]
    if unknown:
        raise OperatorError(f"there is no scenario {unknown[0]}; there are {', '.join(known)}")
    return untried, known


def _pairs_in_groups(options: argparse.Namespace) -> int:
    seed, processes = options.seed, options.jobs
    firsts = first_faults(seed)
    tasks = firsts.one_of_each_place
    found: list[Found] = []

    def reports() -> Iterator[Report]:
        for each in run_in_processes(find_pairs, tasks, processes):
            found.append(each)
            yield each.report

    what = f"single faults in groups (seed {seed}), one of each kind at each call site"
    statuses = [_report(reports(), len(tasks), "first faults", what)]
    pairs = one_of_each_two_places(found, seed, each_batch=options.each_batch)
    parts = [pairs[start : start + _PART] for start in range(0, len(pairs), _PART)]
    what = f"pairs of faults in groups (seed {seed}), one of each two kinds at each two call sites"
    statuses.append(_report(run_in_processes(run_these, parts, processes), len(parts), "parts", what))
    tasks = random_pairs(firsts, options.sample, seed)
    what = f"random pairs of faults in groups (seed {seed})"
    statuses.append(_report(run_in_processes(run_pairs, tasks, processes), len(tasks), "pairs", what))
    return max(statuses)


def _report(arriving: Iterable[Report], of: int, unit: str, what: str) -> int:
    """Print the progress and the failures; return the exit status."""
    reports: list[Report] = []
    started = time.monotonic()
    for report in arriving:
        reports.append(report)
        _progress(len(reports), of, unit, reports, time.monotonic() - started)
    failures = [failure for report in reports for failure in report.failures]
    for failure in failures[:_SHOWN]:
        print(f"\n{failure}")
    print(
        f"\n{what}: {sum(report.run for report in reports)} schedules"
        f" of {sum(report.possible for report in reports)} possible,"
        f" {len(failures)} failed; {sum(report.unclean for report in reports)} need the repair for what was never"
        f" answered 202; {time.monotonic() - started:.0f} s"
    )
    return 1 if failures else 0


def _say_what_was_proved(names: Sequence[str], untried: Sequence[str], status: int) -> None:
    by_collection: dict[str, list[str]] = {}
    for name in names:
        collection, _, what = name.partition(":")
        by_collection.setdefault(collection, []).append(what)
    for collection, tried in by_collection.items():
        print(f"  {collection}: {', '.join(tried)}")
    for each in untried:
        print(f"  not tried: {each}")
    if status == 0:
        print(
            "proved for each: with a fault at any AWS call, every accepted command took effect once or was refused,"
            " in order; documents, unique values and look-ups agree, and nothing is left behind"
        )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="faults at AWS calls")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--collections", metavar="FOLDER", help="try a user's own collections and operations")
    parser.add_argument("--singles", action="store_true", help="every kind of fault at every call, one in a run")
    parser.add_argument("--all", action="store_true", help="every pair")
    parser.add_argument(
        "--share", type=float, default=_SHARE, help="share of the second faults after each first one"
    )
    parser.add_argument("--groups", action="store_true", help="pairs in batches of one, two and ten messages")
    parser.add_argument("--each-batch", action="store_true", help="with --groups: for each kind of batch")
    parser.add_argument("--sample", type=int, default=_SAMPLE, help="random pairs that --groups adds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--at", action="append", metavar="CALL:KIND", help="run only these faults, and print the calls"
    )
    return parser


def _run_one(name: str, faults: list[Fault]) -> int:
    run = process_runner().run(name, faults)
    print(describe(name, faults, run))
    return 1 if run.failure else 0


def _fault(text: str) -> Fault:
    call, _, kind = text.partition(":")
    return Fault(int(call), Kind(kind))


def _progress(done: int, of: int, unit: str, reports: Sequence[Report], seconds: float) -> None:
    if sys.stdout.isatty() or done % 100 == 0 or done == of:
        run, failed = sum(report.run for report in reports), sum(len(report.failures) for report in reports)
        line = f"{done}/{of} {unit}, {run} schedules, {failed} failed, {seconds:.0f} s"
        print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
