"""Shows the messages that the worker could not read as commands, and resends or deletes them.

A resent message goes to the end of the commands queue. Resending may change the order of the messages of an item.
"""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from infra.cli.command_line import run
from infra.cli.console import LastingConsole, emit
from infra.errors import OperatorError
from jobpipe.domain.clock import rfc3339
from scripts.parked.queue import Parked, ParkedQueue
from scripts.stage.aws import open_stage
from scripts.stage.commands import command_parser, one_line_errors, positive
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make parked                      show the messages, each with the reason
  make parked RESEND="ID ID"       put these back on the commands queue
  make parked DROP=all LIMIT=500   delete up to 500
"""


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every named message was found."""
    options = _parse(arguments)
    return run("parked", lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    with one_line_errors():
        stage = open_stage(options.stage)
        queue = ParkedQueue(stage.clients, stage.resource("parked_queue_url"), stage.resource("commands_queue_url"))
        console = LastingConsole(highlight=False, quiet=options.json)
        if options.resend is not None:
            _remove(console, queue, options, options.resend, "resent")
        elif options.drop is not None:
            _remove(console, queue, options, options.drop, "dropped")
        else:
            _show(console, queue, options.limit, as_json=options.json)


def _show(console: Console, queue: ParkedQueue, limit: int, *, as_json: bool) -> None:
    found = queue.look(limit)
    if as_json:
        emit(json.dumps({"parked": list(map(_document, found)), "about": queue.approximate_length()}))
    rows = map(_row, sorted(found, key=lambda message: message.since))
    print_table(console, ("id", "since", "reason", "from", "body", "collection"), rows, "Parked messages")
    more = f" of about {queue.approximate_length()}" if len(found) == limit else ""
    console.print(f"{len(found)}{more} parked messages")


def _remove(
    console: Console, queue: ParkedQueue, options: argparse.Namespace, ids: list[str], outcome: str
) -> None:
    removed: list[str] = []
    remove = queue.resend if outcome == "resent" else queue.drop
    try:
        remove(options.limit, None if options.all else ids, removed.append)
    finally:  # an interrupted command also reports what it has done
        console.print(f"{len(removed)} {outcome}, about {queue.approximate_length()} left")
        if options.json:
            emit(json.dumps({outcome: removed, "left": queue.approximate_length()}))
    missing = [each for each in ids if each not in removed]
    if missing:
        raise OperatorError(
            f"not found among up to {options.limit} messages (--limit): {', '.join(missing)}; "
            "if a message was shown a moment ago, try again"
        )


def _document(message: Parked) -> dict[str, object]:
    return {
        "id": message.message_id,
        "since": rfc3339(message.since),
        "reason": message.reason,
        "from": message.source,
        "collection": message.collection or None,
        "beginning": message.beginning,
        "length": message.length,
    }


def _row(message: Parked) -> tuple[str, ...]:
    rest = "" if len(message.beginning) == message.length else f"… ({message.length:,} characters)"
    body = message.beginning + rest
    return (
        *(message.message_id, rfc3339(message.since), message.reason),
        *(message.source, body, message.collection),  # the collection is last, since scripts rely on the positions
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("parked", __doc__, _EXAMPLES)
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
        parser.error("--resend and --drop take either ids or --all")
    return options


if __name__ == "__main__":
    sys.exit(main())
