"""Shows the messages that are no command of ours, and resends or drops them.

A resent message goes back to the commands queue, behind what waits there for its item; those of one item may change
places among themselves.
"""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from infra.cli.command_line import OneLineParser, run
from infra.cli.console import LastingConsole, emit
from infra.errors import OperatorError
from jobpipe.domain.clock import rfc3339
from scripts.parked.queue import Parked, ParkedQueue
from scripts.stage.aws import add_stage_argument, one_line_errors, open_stage, positive
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make parked                      what is there, and why
  make parked RESEND="ID ID"       put these back on the commands queue
  make parked DROP=all LIMIT=500   delete up to 500
"""


def main(arguments: list[str] | None = None) -> int:
    """0 when every message that was named was found."""
    options = _parse(arguments)
    return run("parked", lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    with one_line_errors():
        stage = open_stage(options.stage)
        queue = ParkedQueue(stage.clients, stage.resource("parked_queue_url"), stage.resource("commands_queue_url"))
        console = LastingConsole(highlight=False, quiet=options.json)
        if options.resend is not None:
            _take(console, queue, options, options.resend, "resent")
        elif options.drop is not None:
            _take(console, queue, options, options.drop, "dropped")
        else:
            _show(console, queue, options.limit, as_json=options.json)


def _show(console: Console, queue: ParkedQueue, limit: int, *, as_json: bool) -> None:
    found = queue.look(limit)
    if as_json:
        emit(json.dumps({"parked": list(map(_document, found)), "about": queue.about()}))
    rows = map(_row, sorted(found, key=lambda message: message.since))
    print_table(console, ("id", "since", "reason", "from", "body"), rows, "Parked messages")
    more = f" of about {queue.about()}" if len(found) == limit else ""
    console.print(f"{len(found)}{more} parked messages")


def _take(console: Console, queue: ParkedQueue, options: argparse.Namespace, ids: list[str], done: str) -> None:
    taken: list[str] = []
    act = queue.resend if done == "resent" else queue.drop
    try:
        act(options.limit, None if options.all else ids, taken.append)
    finally:  # also when it is interrupted: what was done is done
        console.print(f"{len(taken)} {done}, about {queue.about()} left")
        if options.json:
            emit(json.dumps({done: taken, "left": queue.about()}))
    missing = [each for each in ids if each not in taken]
    if missing:
        raise OperatorError(
            f"not found among up to {options.limit} messages (--limit): {', '.join(missing)}; "
            "one that was shown a moment ago may need another try"
        )


def _document(message: Parked) -> dict[str, object]:
    return {
        "id": message.message_id,
        "since": rfc3339(message.since),
        "reason": message.reason,
        "from": message.source,
        "beginning": message.beginning,
        "length": message.length,
    }


def _row(message: Parked) -> tuple[str, ...]:
    more = "" if len(message.beginning) == message.length else f"… ({message.length:,} characters)"
    body = message.beginning + more
    return (message.message_id, rfc3339(message.since), message.reason, message.source, body)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="python -m scripts.parked",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stage_argument(parser)
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--resend", nargs="*", action="extend", metavar="ID", help="put these, or --all, back on the queue"
    )
    action.add_argument("--drop", nargs="*", action="extend", metavar="ID", help="delete these, or --all")
    parser.add_argument("--all", action="store_true", help="with --resend or --drop: up to --limit messages")
    parser.add_argument("--limit", type=positive, default=100, help="messages to look at (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    ids = options.resend if options.resend is not None else options.drop
    if ids == ["all"]:  # from make: RESEND=all
        ids.clear()
        options.all = True
    if (ids is None and options.all) or (ids is not None and bool(ids) == options.all):
        parser.error("--resend and --drop take ids or --all, one of them")
    return options


if __name__ == "__main__":
    sys.exit(main())
