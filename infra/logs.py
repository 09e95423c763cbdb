"""`python -m infra.logs [--follow] [--minutes N] [--all]`: prints the Lambdas' log lines from CloudWatch Logs."""

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

_OVERLAP_MS = 10_000  # lines may arrive late and out of order, so each poll reads the end of the previous one again
_POLL_SECONDS = 1.0
_WIDTH = max(map(len, FUNCTIONS))


def main() -> None:
    """Print the lines in the order of their times; with --follow, until interrupted."""
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
        always = tenacity.retry_if_result(lambda _: True)
        tenacity.Retrying(wait=tenacity.wait_fixed(_POLL_SECONDS), retry=always)(printer.print_new)


class LogPrinter:
    """Prints each line of the stage's log groups once: jobpipe's JSON lines or, with `everything`, all lines."""

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
            self._since = max(self._since, timestamp - _OVERLAP_MS)

    def _groups(self) -> list[tuple[str, str]]:
        """Return the log groups that exist, each with its function."""
        functions = log_groups(self._stage)
        pages = self._logs.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix=log_group_prefix(self._stage)
        )
        names = (group["logGroupName"] for page in pages for group in page["logGroups"])
        return [(name, functions[name]) for name in names if name in functions]


def _parse() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m infra.logs", description="Print the Lambdas' log lines.")
    parser.add_argument("--stage", help="JOBPIPE_STAGE, else local")
    parser.add_argument("--follow", action="store_true", help="continue until interrupted")
    parser.add_argument(
        "--minutes", type=duration("minutes"), default=10, help="how far back to begin (%(default)g)"
    )
    parser.add_argument(
        "--all", action="store_true", help="also lines of Lambda itself, and those that are not JSON"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run("logs", main))
