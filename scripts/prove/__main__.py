"""Proves on a deployed stage that it keeps jobpipe's promises, and writes a report to publish.

It makes temporary owners, items and a webhook, sends some hundred commands, judges what it sees, and deletes
everything again. Exit status: 0 if every check held, 3 if a promise was broken, 4 if a check could not be completed
or something could not be deleted, 1 after an error. On AWS it shows its price first, and needs CONFIRM=yes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from infra.cli.command_line import run
from infra.cli.console import LastingConsole
from infra.keys.api_keys import ApiKeys
from infra.settings import ROOT
from jobpipe_client.environment import is_loopback
from scripts.prove.bench import PREFIX, new_bench
from scripts.prove.checking import CHECKS, NAMES
from scripts.prove.facts import read_facts
from scripts.prove.plan import FULL, QUICK, Plan
from scripts.prove.proof import Proof
from scripts.stage.aws import open_stage
from scripts.stage.commands import command_parser, one_line_errors

FOLDER = ROOT / "build" / "proof"
_EXAMPLES = """examples:
  make prove                                  the local stage
  make prove STAGE=prod                       show what a run on AWS would do and cost
  make prove STAGE=prod CONFIRM=yes           run it
  make prove STAGE=prod CONFIRM=yes RECEIVER=https://example.com/hook
"""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status."""
    options = _parse(arguments)
    return run("prove", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console = LastingConsole(highlight=False, soft_wrap=True)
    with one_line_errors():
        stage = open_stage(options.stage)
        plan = Plan(read_facts(stage), QUICK if options.quick else FULL, options.receiver)
        chosen = [check for check in CHECKS if check.name in (options.only or NAMES)]
        names = tuple(check.name for check in chosen)
        keys = ApiKeys(stage.target.client("apigateway"), stage.deployment.stage, stage.resource("usage_plan"))
        bench = new_bench(stage, plan, keys)
        for owner in sorted({key.owner for key in keys.all() if key.owner.startswith(PREFIX)}):
            console.print(f"an earlier run has left keys: make revoke-key OWNER={owner}", markup=False)
        for line in plan.lines(bench.name, names):
            console.print(line, markup=False)
        plan.check(names, confirmed=options.confirm)
        return Proof(console, bench, options.folder, chosen).run()


def _receiver(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise argparse.ArgumentTypeError("RECEIVER must be a URL that begins with https://")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise argparse.ArgumentTypeError("RECEIVER must begin with https://")
    return url


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("prove", __doc__, _EXAMPLES)
    parser.add_argument("--confirm", action="store_true", help="allow the run on AWS")
    parser.add_argument("--receiver", type=_receiver, metavar="URL", help="your own receiver, which returns a 2xx")
    parser.add_argument("--quick", action="store_true", help="send only a few commands, to see how this works")
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="CHECK",
        help=f"run only this check; may be repeated ({', '.join(NAMES)})",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the reports are written (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
