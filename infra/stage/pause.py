"""Pauses a stage, whose worker then takes no commands from their queue, and resumes it.

A row in the table of collections says that the stage is paused (jobpipe/stores/stage/dynamodb_pause.py). The API
shows it, and a deployment leaves the stage paused because of it. The worker takes no commands since its event
source mapping is disabled. The row is written before the mapping is disabled, and deleted after it is enabled. So
an interruption can leave a stage that is shown as paused and takes commands, but none that is paused and does not
say so. The same command completes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import tenacity
from botocore.exceptions import ClientError

from infra.errors import OperatorError
from jobpipe.domain.clock import now, rfc3339
from jobpipe.stores.stage.dynamodb_pause import paused_at_of, row_key

_SECONDS = 180.0
"""The longest time to wait for a mapping: Lambda may take a minute to enable or disable one."""
_POLL_SECONDS = 1.0
_IN_TRANSITION = {"ResourceInUseException", "ResourceConflictException"}


@dataclass(frozen=True)
class StagePause:
    """Whether a stage is paused, and the event source mapping of its queue of commands."""

    dynamodb: Any
    lambdas: Any
    table: str  # of collections
    function: str  # the worker
    queue: str  # the name of the queue of commands

    def paused_at(self) -> datetime | None:
        """Return when the stage was paused, or None if it is not."""
        return read_paused_at(self.dynamodb, self.table)

    def pause(self) -> datetime:
        """Pause the stage, and return since when it is paused. A batch that the worker has may still end."""
        at = self.paused_at()
        if at is None:
            at = now()
            self.dynamodb.put_item(TableName=self.table, Item={**row_key(), "paused_at": {"S": rfc3339(at)}})
        self.enable(enabled=False)
        return at

    def resume(self) -> datetime | None:
        """Resume the stage, and return since when it was paused, or None if it was not."""
        at = self.paused_at()
        self.enable(enabled=True)
        self.dynamodb.delete_item(TableName=self.table, Key=row_key())
        return at

    def enable(self, *, enabled: bool) -> None:
        """Enable or disable the mapping, and return when that is done; raise OperatorError after three minutes."""
        for mapping in self._mappings():
            self._bring_to("Enabled" if enabled else "Disabled", mapping)

    def _mappings(self) -> list[str]:
        pages = self.lambdas.get_paginator("list_event_source_mappings").paginate(FunctionName=self.function)
        found = [
            each["UUID"]
            for page in pages
            for each in page["EventSourceMappings"]
            if each["EventSourceArn"].rpartition(":")[2] == self.queue
        ]
        if not found:
            raise OperatorError(
                f"{self.function} has no event source mapping of {self.queue}: deploy the stage again"
            )
        return found

    def _bring_to(self, wanted: str, mapping: str) -> None:
        for attempt in _until(wanted):
            with attempt:
                state = self.lambdas.get_event_source_mapping(UUID=mapping)["State"]
                if state in {"Enabled", "Disabled"} and state != wanted:
                    state = self._update(mapping, wanted)
                if state != wanted:
                    raise _NotYetError(state)

    def _update(self, mapping: str, wanted: str) -> str:
        try:
            answer = self.lambdas.update_event_source_mapping(UUID=mapping, Enabled=wanted == "Enabled")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _IN_TRANSITION:  # a change of somebody else's is under way
                raise
            return "in transition"
        return str(answer["State"])


class _NotYetError(Exception):
    """The mapping is in another state than it is to be in."""


def _until(wanted: str) -> Iterator[tenacity.AttemptManager]:
    """Yield attempts until one raises no _NotYetError; raise OperatorError after the last one."""

    def give_up(state: tenacity.RetryCallState) -> None:
        last = state.outcome.exception() if state.outcome else None
        raise OperatorError(
            f"the event source mapping is {last} and not {wanted} after {_SECONDS:.0f} seconds; run it again"
        )

    return iter(
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_NotYetError),
            stop=tenacity.stop_after_delay(_SECONDS),
            wait=tenacity.wait_fixed(_POLL_SECONDS),
            retry_error_callback=give_up,
        )
    )


def read_paused_at(dynamodb: Any, table: str) -> datetime | None:
    """Return when the stage of this table of collections was paused, or None if it is not."""
    answer = dynamodb.get_item(TableName=table, Key=row_key(), ConsistentRead=True)
    try:
        return paused_at_of(answer.get("Item"))
    except (KeyError, ValueError):
        raise OperatorError(
            f"the row {row_key()} of {table} cannot be read: delete it, and pause the stage again"
        ) from None
