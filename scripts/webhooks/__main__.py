"""Lists the webhooks of all callers, and pauses or resumes them.

A paused webhook receives only what its owner asks for. Its events wait, for at most 30 days. The owner can resume
it as long as the owner has a key. Only the host of a URL is shown, since the rest may be secret.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from infra.cli.command_line import run
from infra.cli.console import LastingConsole, emit
from infra.errors import OperatorError
from jobpipe.domain.events.pausing import pause, resume
from jobpipe.domain.events.webhook import Webhook
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.queues.sqs_deliveries import SqsDeliveries
from scripts.stage.aws import StageAws, open_stage
from scripts.stage.commands import command_parser, one_line_errors
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make webhooks                   list the webhooks of all callers
  make webhooks PAUSE=alice       pause all webhooks of alice
  make webhooks PAUSE="ID ID"     pause these webhooks
  make webhooks RESUME=ID         resume this webhook, and deliver what has waited
"""
_COLUMNS = ("owner", "webhook", "host", "events", "state", "failing since")


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every named webhook and owner was found."""
    options = _parse(arguments)
    return run("webhooks", lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    with one_line_errors():
        stage = open_stage(options.stage)
        webhooks = _store(stage)
        console = LastingConsole(highlight=False, quiet=options.json)
        found = sorted(webhooks.all(), key=lambda each: (each.owner, each.created_at, each.webhook_id))
        if options.pause is not None:
            _change(console, _named(found, options.pause), "paused", lambda each: pause(each, webhooks))
        elif options.resume is not None:
            queue = _queue(stage)
            _change(console, _named(found, options.resume), "resumed", lambda each: resume(each, webhooks, queue))
        else:
            print_table(console, _COLUMNS, map(_row, found), "Webhooks")
            console.print(f"{len(found)} webhooks")
            if options.json:
                emit(json.dumps({"webhooks": [_document(each) for each in found]}))


def _change(
    console: LastingConsole, chosen: Sequence[Webhook], outcome: str, change: Callable[[Webhook], bool]
) -> None:
    changed: list[Webhook] = []
    try:
        for each in chosen:
            if change(each):
                changed.append(each)
                console.print(f"{outcome} {each.webhook_id} of {each.owner}")
    finally:  # an interrupted command also reports what it has done
        left = len(chosen) - len(changed)
        console.print(f"{len(changed)} webhooks {outcome}" + (f", {left} not changed" if left else ""))
        if console.quiet:
            emit(json.dumps({outcome: [each.webhook_id for each in changed], "left": left}))


def _named(webhooks: Iterable[Webhook], names: Sequence[str]) -> list[Webhook]:
    """Return the webhooks with these ids or owners; raise OperatorError if a name is neither."""
    chosen = [each for each in webhooks if each.webhook_id in names or each.owner in names]
    known = {name for each in chosen for name in (each.webhook_id, each.owner)}
    missing = [name for name in names if name not in known]
    if missing:
        raise OperatorError(f"there is no webhook with this id or owner: {', '.join(map(repr, missing))}")
    return chosen


def _store(stage: StageAws) -> DynamoDbWebhooks:
    if "webhooks_table" not in stage.deployment.resources:
        raise OperatorError(f"the stage {stage.deployment.stage!r} has no webhooks, since Events is off")
    return DynamoDbWebhooks(stage.clients, stage.resource("webhooks_table"))


def _queue(stage: StageAws) -> SqsDeliveries:
    names = ("deliveries_queue_url", "deliveries_later_queue_url")
    return SqsDeliveries(stage.clients, *map(stage.resource, names))


def _row(webhook: Webhook) -> tuple[str, ...]:
    by_failures = " because its receiver failed" if webhook.paused_by_failures else ""
    return (
        *(webhook.owner, webhook.webhook_id, _host(webhook), " ".join(webhook.events)),
        *(f"paused{by_failures}" if webhook.paused else "on", webhook.failing_since or ""),
    )


def _document(webhook: Webhook) -> dict[str, object]:
    shown = {name: value for name, value in webhook.to_json().items() if name != "url"}
    return {"owner": webhook.owner, "host": _host(webhook), **shown}


def _host(webhook: Webhook) -> str:
    return urlsplit(webhook.url).netloc


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("webhooks", __doc__, _EXAMPLES)
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--pause", nargs="+", action="extend", metavar="NAME", help="pause these webhooks, or all of these owners"
    )
    action.add_argument(
        "--resume", nargs="+", action="extend", metavar="NAME", help="resume these, and deliver what has waited"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
