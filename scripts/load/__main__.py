"""Send commands to a stage at a steady rate, whatever the responses, and print what was measured.

Each command creates another item, named load-<run>-<n>. At the end the deletion of the items is requested, which is
as much load again; KEEP=yes keeps them.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.cli.command_line import INTERRUPTED, OneLineParser, run
from infra.cli.console import LastingConsole
from infra.errors import OperatorError
from jobpipe_client import Client, JobpipeError
from jobpipe_client.environment import is_loopback
from jobpipe_client.settings import Connection, find_connection
from scripts.load.generator import FOLLOWERS, Generator, Measured
from scripts.load.http_calls import HttpCalls
from scripts.load.plan import Plan
from scripts.load.report import print_report


def main() -> int:
    """Return 0, 1 if the service failed or the operator made a mistake, or 130 after Ctrl-C."""
    options = _parse()
    return run("load", lambda: _load(options, LastingConsole(highlight=False)))


def _load(options: argparse.Namespace, console: Console) -> int:
    plan = Plan(
        options.rate,
        options.seconds,
        poisson=options.poisson,
        concurrency=options.concurrency,
        sample=options.sample,
        keep=options.keep,
    )
    connection = _checked_connection(console, plan, options)
    calls = HttpCalls(connection.base_url, connection.api_key, plan.concurrency + FOLLOWERS)
    generator = Generator(calls, plan)
    console.print(
        f"{plan.jobs:,} jobs in {plan.seconds:g} s to {connection.base_url}, items {generator.name}-<n>",
        markup=False,
        soft_wrap=True,
    )
    measured = _with_progress(console, generator, plan)
    print_report(console, measured)
    _clean_up(console, generator, measured, keep=plan.keep)
    if measured.interrupted:
        return INTERRUPTED
    return 1 if measured.failed else 0


def _checked_connection(console: Console, plan: Plan, options: argparse.Namespace) -> Connection:
    """Return the connection to the stage if the plan is allowed there and the stage responds."""
    try:
        connection = find_connection(options.stage)
        on_aws = not is_loopback(urlsplit(connection.base_url).hostname)
        plan.check(on_aws=False, confirmed=True)  # an impossible plan is refused before its cost is printed
        if on_aws:
            console.print(f"about ${plan.dollars():.2f} at list prices, for {plan.jobs:,} jobs", markup=False)
        plan.check(on_aws=on_aws, confirmed=options.confirm)
        with Client(connection.base_url, connection.api_key, retries=0) as client:
            client.transport.get("/items", {"limit": 1})  # fails if the stage does not respond or refuses the key
    except JobpipeError as error:
        raise OperatorError(str(error)) from None
    return connection


def _with_progress(console: Console, generator: Generator, plan: Plan) -> Measured:
    if not console.is_terminal:
        return generator.run()
    columns = (TextColumn("answered"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=plan.jobs)
        return generator.run(lambda measured: progress.update(task, completed=len(measured.outcomes)))


def _clean_up(console: Console, generator: Generator, measured: Measured, *, keep: bool) -> None:
    items, count = f"{generator.name}-<n>", len(measured.accepted)
    if keep:
        console.print(f"{count} items are kept: {items}", markup=False)
        return
    try:
        left = generator.clean_up(measured)
    except KeyboardInterrupt:
        console.print(f"not all items were deleted: {items}", markup=False)
        raise
    rest = f"; {left} items remain: {items}" if left else ""
    console.print(f"{count - left} deletions are accepted, and follow the creations{rest}", markup=False)


def _parse() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m scripts.load", description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="jobs a second")
    parser.add_argument("--seconds", type=float, required=True, help="how long jobs are sent")
    parser.add_argument("--stage", help="the deployed stage (JOBPIPE_URL, or JOBPIPE_STAGE, or local)")
    parser.add_argument("--poisson", action="store_true", help="send at random times, not evenly spaced")
    parser.add_argument("--concurrency", type=int, default=64, help="unanswered requests at a time (%(default)s)")
    parser.add_argument("--sample", type=int, default=10, help="follow every Nth job, or none if 0 (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="do not delete the items")
    parser.add_argument("--confirm", action="store_true", help="allow more than the usual bounds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
