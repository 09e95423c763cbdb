"""Sends sample commands to a deployed stage, checks every outcome and prints the latencies.

The items stay in the stage, with names that end in the id of the run; `--clean-up` deletes them at the end.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from infra.cli.command_line import INTERRUPTED, duration
from infra.cli.console import LastingConsole
from jobpipe_client import Client, JobNotFailed, JobpipeError, NotFound
from scripts.demo.report import print_report
from scripts.demo.run import DemoRun, Outcome
from scripts.demo.script import ScriptError, read_script
from scripts.stage.commands import command_parser, positive, progress_bar

_EXAMPLES = """examples:
  jobpipe demo                  send the sample commands to the local stage
  jobpipe demo --clean-up       send them, and delete the items at the end
"""
SAMPLE = Path(__file__).with_name("sample_items.jsonl")
JOBS_PER_LINE = 50  # of progress, where there is no terminal


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every outcome is as expected, 1 if not, 2 if nothing can be sent, 130 after Ctrl-C."""
    options = _parse(arguments)
    console = LastingConsole(highlight=False)
    try:
        return _demo(console, options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (JobpipeError, ScriptError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


def _demo(console: Console, options: argparse.Namespace) -> int:
    lines = read_script(options.file)
    with Client.from_stage(options.stage, request_timeout=30) as client:
        health = client.health()
        run_id = secrets.token_hex(3)
        console.print(
            f"{len(lines)} commands, {options.concurrency} at a time, to {client.base_url} "
            f"(version {health.get('version', 'unknown')})",
            markup=False,
            soft_wrap=True,
        )
        run = DemoRun(
            client,
            lines,
            suffix=f" · run {run_id}",
            concurrency=options.concurrency,
            timeout=options.timeout,
        )
        started = time.perf_counter()
        outcomes = _with_progress(console, run, len(lines))
        print_report(console, outcomes, time.perf_counter() - started)
        dismissed = _dismiss_expected(client, outcomes)
        if dismissed:
            console.print(f"{dismissed} jobs failed as expected, and are dismissed: they are not listed as failed")
        item_ids = run.remaining_items()
        if options.clean_up:
            _delete(client, item_ids)
            console.print(f"{len(item_ids)} items deleted")
        else:
            console.print(f"{len(item_ids)} items stay; their names end in “run {run_id}”; see GET /items")
    return 0 if all(outcome.as_expected for outcome in outcomes) else 1


def _with_progress(console: Console, run: DemoRun, total: int) -> list[Outcome]:
    done = 0
    with progress_bar(console, "jobs ended", total) as advance:

        def count(_: Outcome) -> None:
            nonlocal done
            done += 1
            advance()
            if not console.is_terminal and (done % JOBS_PER_LINE == 0 or done == total):
                print(f"{done} of {total} jobs ended", flush=True)

        return run.run(count)


def _dismiss_expected(client: Client, outcomes: list[Outcome]) -> int:
    """Dismiss the jobs that failed as expected, and return how many.

    A release without dismissals returns 404, and the job is not counted.
    """
    dismissed = 0
    for outcome in outcomes:
        if outcome.as_expected and outcome.job is not None and outcome.job.status == "failed":
            with suppress(NotFound, JobNotFailed):
                client.dismiss(outcome.job.id)
                dismissed += 1
    return dismissed


def _delete(client: Client, item_ids: list[str]) -> None:
    for job in [client.delete(item_id) for item_id in item_ids]:
        client.wait(job).raise_for_failure()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("demo", __doc__, _EXAMPLES)
    parser.add_argument("--file", type=Path, default=SAMPLE, help="commands to send (%(default)s)")
    parser.add_argument("--concurrency", type=positive, default=8, help="simultaneous callers (%(default)s)")
    parser.add_argument(
        "--timeout", type=duration("seconds"), default=300, help="seconds for the whole run (%(default)s)"
    )
    parser.add_argument("--clean-up", action="store_true", help="delete the items of this run at the end")
    options = parser.parse_args(arguments)
    if not options.timeout:
        parser.error("--timeout must be more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
