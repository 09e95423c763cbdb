"""The end of a command that could not show all items."""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.output.output import Output


def check_complete(output: Output, missing: Sequence[str]) -> None:
    """OperatorError if items are missing, after a line on standard error for each of them."""
    for item_id in missing:
        output.note(f"item {item_id} cannot be read")
    if missing:
        items = "1 item is" if len(missing) == 1 else f"{len(missing):,} items are"
        raise OperatorError(
            f"{items} left out, since their documents are missing; `jobpipe audit` reports details (if one was "
            "written in the last half hour, try again)"
        )
