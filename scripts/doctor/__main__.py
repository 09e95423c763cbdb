"""Looks for problems of this checkout and of a stage, and says how to correct them. It changes nothing."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from rich.markup import escape

from infra.cli.command_line import run
from infra.cli.console import LastingConsole, emit
from infra.settings import LOCAL_STAGE, read_settings
from infra.settings import check_stage as checked_name
from scripts.doctor.findings import Finding, State
from scripts.doctor.machine_checks import check_docker, check_environments, check_make, check_proxy, check_python
from scripts.doctor.stage_checks import check_aws, check_emulator, check_stage
from scripts.stage.commands import command_parser

_EXAMPLES = """examples:
  make doctor                the checkout and the local stage
  make doctor STAGE=prod     the checkout and a stage on AWS
"""
_STYLES = {State.OK: "green", State.NOTE: "yellow", State.WRONG: "bold red"}


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if nothing is wrong, 1 if something is."""
    parser = command_parser("doctor", __doc__, _EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    return run("doctor", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console = LastingConsole(highlight=False, soft_wrap=True, quiet=options.json)
    found: list[Finding] = []
    for each in _checks(options.stage):
        found.append(each)
        remedy = f"\n{'':16}→ {escape(each.remedy)}" if each.remedy else ""
        console.print(f"[{_STYLES[each.state]}]{each.state:6}[/]{each.subject:10}{escape(each.text)}{remedy}")
    wrong = [each for each in found if each.state is State.WRONG]
    if options.json:
        emit(json.dumps({"findings": [asdict(each) for each in found]}, ensure_ascii=False))
    console.print(f"{len(wrong)} to correct" if wrong else "nothing is wrong")
    return 1 if wrong else 0


def _checks(given: str | None) -> Iterator[Finding]:
    """Yield the findings of all checks; raise OperatorError if a setting is invalid."""
    settings = read_settings()
    stage = checked_name(given) if given else settings.stage
    yield check_python()
    yield check_make()
    yield from check_environments()
    yield check_docker()
    yield check_proxy()
    if stage == LOCAL_STAGE:
        yield check_emulator(settings)
    yield check_aws(settings, stage)
    is_used = given is not None or not os.environ.get("JOBPIPE_URL")
    is_named = given is not None or stage != LOCAL_STAGE
    yield check_stage(settings, stage, is_used=is_used, is_named=is_named)


if __name__ == "__main__":
    sys.exit(main())
