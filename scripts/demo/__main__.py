"""Sends the sample commands to a deployment, checks every outcome and prints what it measured.

The items get names of this run and stay, to be looked at; `--clean-up` deletes them at the end.
"""

from __future__ import annotations

import argparse
import math
import secrets
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.cli.console import LastingConsole
from jobpipe_client import Client, JobpipeError
from scripts.demo.report import print_report
from scripts.demo.run import DemoRun, Outcome
from scripts.demo.script import ScriptError, read_script

SAMPLE = Path(__file__).with_name("sample_items.jsonl")
PLAIN_STEP = 50  # commands per line of progress where there is no terminal
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """0 if every outcome is the expected one, 1 if not, 2 if it cannot be tried, 130 after Ctrl-C."""
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
    with Client.from_stage(options.stage) as client:
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
        kept = run.leftovers()
        if options.clean_up:
            _delete(client, kept)
            console.print(f"{len(kept)} items deleted")
        else:
            console.print(f"{len(kept)} items stay, their names ending in “run {run_id}”; see GET /items")
    return 0 if all(outcome.as_expected for outcome in outcomes) else 1


def _with_progress(console: Console, run: DemoRun, total: int) -> list[Outcome]:
    if not console.is_terminal:
        done = 0

        def count(_: Outcome) -> None:
            nonlocal done
            done += 1
            if done % PLAIN_STEP == 0 or done == total:
                print(f"{done} of {total} jobs ended", flush=True)

        return run.run(count)
    columns = (TextColumn("jobs ended"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        return run.run(lambda _: progress.advance(task))


def _delete(client: Client, item_ids: list[str]) -> None:
    for job in [client.delete(item_id) for item_id in item_ids]:
        client.wait(job).raise_for_failure()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument("--stage", help="deployed stage (JOBPIPE_URL, or JOBPIPE_STAGE, or local)")
    parser.add_argument("--file", type=Path, default=SAMPLE, help="commands to send (%(default)s)")
    parser.add_argument("--concurrency", type=_positive, default=8, help="callers at a time (%(default)s)")
    parser.add_argument("--timeout", type=_seconds, default=300, help="seconds for the whole run (%(default)s)")
    parser.add_argument("--clean-up", action="store_true", help="delete the items of this run at the end")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
