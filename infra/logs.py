"""`python -m infra.logs [--follow] [--minutes N] [--all]`: what the Lambdas said, from CloudWatch Logs."""

import argparse
import sys
import time
from typing import Any

import tenacity

from infra.cli.command_line import OneLineParser, duration, run
from infra.settings import check_stage, read_settings
from infra.stage.log_events import LogEvents, mark_of
from infra.stage.names import FUNCTIONS, log_group_prefix, log_groups
from infra.stage.stage_file import read_deployment
from infra.targets.target import target_of

_LATE_MS = 10_000  # lines may arrive late and out of order: each look goes back so far, and drops what was printed
_FOLLOW_SECONDS = 1.0
_WIDTH = max(map(len, FUNCTIONS))


def main() -> None:
    """Prints the lines in the order of their times; with --follow, until interrupted."""
    arguments = _parse()
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(arguments.stage or settings.stage))
    printer = LogPrinter(
        target_of(deployment).client("logs"),
        deployment.stage,
        since_ms=int((time.time() - arguments.minutes * 60) * 1000),
        everything=arguments.all,
    )
    printer.print_new()
    if arguments.follow:
        again = tenacity.retry_if_result(lambda _: True)
        tenacity.Retrying(wait=tenacity.wait_fixed(_FOLLOW_SECONDS), retry=again)(printer.print_new)


class LogPrinter:
    """Prints each line of the stage's log groups once: our JSON lines, or everything that Lambda adds too."""

    def __init__(self, logs: Any, stage: str, *, since_ms: int, everything: bool) -> None:
        self._logs = logs
        self._stage = stage
        self._printed: set[tuple[str, str]] = set()
        self._since = since_ms
        self._everything = everything

    def print_new(self) -> None:
        lines = []
        for group, function in self._groups():
            for event in LogEvents(self._logs, group, self._since):
                mark = (group, mark_of(event))
                if mark not in self._printed:
                    self._printed.add(mark)
                    lines.append((event["timestamp"], function, event["message"].rstrip()))
        for timestamp, function, message in sorted(lines, key=lambda line: line[0]):
            if self._everything:
                print(f"{function:{_WIDTH}} {message}", flush=True)
            elif message.startswith("{"):
                print(message, flush=True)
            self._since = max(self._since, timestamp - _LATE_MS)

    def _groups(self) -> list[tuple[str, str]]:
        ours = log_groups(self._stage)
        pages = self._logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix=log_group_prefix(self._stage)
        )
        there = (group["logGroupName"] for page in pages for group in page["logGroups"])
        return [(name, ours[name]) for name in there if name in ours]


def _parse() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m infra.logs", description="What the Lambdas said.")
    parser.add_argument("--stage", help="JOBPIPE_STAGE, else local")
    parser.add_argument("--follow", action="store_true", help="go on until interrupted")
    parser.add_argument(
        "--minutes", type=duration("minutes"), default=10, help="how far back to begin (%(default)g)"
    )
    parser.add_argument("--all", action="store_true", help="also what Lambda itself says, and what is not JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run("logs", main))
