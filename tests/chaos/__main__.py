"""`python -m tests.chaos --jobs 3000 --seconds 300 --seed 7`: exit with 0 if all checks hold, else with 1."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.chaos import lambda_processes
from tests.chaos.report import print_report
from tests.chaos.run import Plan, plan_of_groups, run


def main() -> int:
    options = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the emulator and its Lambdas end too
    console = Console(highlight=False)
    if not lambda_processes.AVAILABLE:
        console.print("chaos: only Linux shows which process owns a connection (/proc), and can kill it safely")
        return 2
    console.print(f"seed {options.seed} (--seed repeats the choices, not the timing)")
    plan = Plan(
        options.seed,
        jobs=options.jobs,
        seconds=options.seconds,
        settle=options.settle,
        callers=options.callers,
    )
    if options.groups:
        plan = plan_of_groups(plan)
    with tempfile.TemporaryDirectory(prefix="jobpipe-chaos-") as state_dir:
        verdict = run(plan, Path(state_dir), console.print)
    print_report(console, verdict)
    return 0 if verdict.passed else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000, help="commands to send (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="longest time of chaos (%(default)s)")
    parser.add_argument(
        "--settle", type=float, default=300, help="longest time for all jobs to end afterwards (%(default)s)"
    )
    parser.add_argument("--callers", type=int, default=8, help="concurrent callers (%(default)s)")
    parser.add_argument(
        "--groups",
        action="store_true",
        help="let messages gather and send bursts for hot items, so that batches are full and groups are committed",
    )
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="the seed of all choices (random)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
