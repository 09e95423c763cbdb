"""Messages that no caller sends: duplicates, at once and much later, and malformed messages."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.chaos.background import repeatedly
from tests.chaos.faults import SQS, Call
from tests.chaos.tally import Tally

REMEMBERED = 500  # messages, of which late duplicates are chosen
AT_ONCE, LATE = 0.08, 0.08  # the shares of messages that are duplicated


class Injector:
    """Sends to the commands queue directly, with an operator's permissions."""

    def __init__(self, sqs: Any, queue_url: str, seed: int, tally: Tally) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._random = random.Random(f"injector {seed}")
        self._tally = tally
        self._lock = threading.Lock()
        self._sent: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._observed = self._duplicates = 0
        self.malformed: list[str] = []  # the bodies

    def observe(self, call: Call) -> None:
        """Duplicate some messages of successful calls, before their sender gets the answer."""
        if call.service != SQS or call.operation != "SendMessage":
            return
        message = json.loads(call.body)
        if message["QueueUrl"] != self._queue_url:
            return
        with self._lock:
            self._sent.append(message)
            self._observed += 1
            duplicated = self._random.random() < AT_ONCE
        if duplicated:
            self._send_duplicate(message, "at once")

    def duplicate_late(self, number: int = 1) -> None:
        """Send duplicates of old messages."""
        for _ in range(number):
            with self._lock:
                message = self._random.choice(self._sent) if self._sent else None
            if message:
                self._duplicates += 1
                self._send_duplicate(message, "late")

    def send_malformed(self, groups: list[str]) -> None:
        """Send a message that is no command, in the group of an item that has commands."""
        with self._lock:
            body = self._random.choice(_MALFORMED)(uuid.uuid4().hex)
            group = self._random.choice(groups or ["no-such-item"])
        self._send(body, group)
        self.malformed.append(body)
        self._tally.add("malformed messages")

    def running(self, every: float, groups: list[str], *, malformed: int) -> AbstractContextManager[None]:
        """Send late duplicates and malformed messages during a block, on average after every `every` seconds."""

        def step() -> None:
            if self._duplicates < LATE * self._observed:
                self.duplicate_late()
            if len(self.malformed) < malformed and self._random.random() < 0.4:
                self.send_malformed(groups)

        return repeatedly(step, lambda: self._random.uniform(0, 2) * every)

    def _send_duplicate(self, message: dict[str, Any], when: str) -> None:
        self._send(message["MessageBody"], message["MessageGroupId"])
        self._tally.add(f"messages duplicated {when}")

    def _send(self, body: str, group: str) -> None:
        # With another deduplication id, SQS accepts a duplicate.
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=uuid.uuid4().hex,
        )


# Each takes a text that makes its body unique.
_MALFORMED: tuple[Callable[[str], str], ...] = (
    lambda text: f"not JSON {text}",
    lambda text: json.dumps([text]),
    lambda text: json.dumps({"v": 99, "job_id": text}),
    lambda text: json.dumps({"v": 1, "job_id": text}),
    lambda text: json.dumps({"v": 1, "job_id": text, "generation": "0" * 16, "item_id": "x", "command": {}}),
    lambda text: json.dumps({"v": 1, "job_id": "../" + text, "generation": "0", "item_id": "x", "command": {}}),
    lambda text: f'{{"v": 1, "{text}": ' + "[" * 50_000 + "]" * 50_000 + "}",
    lambda text: f'{{"v": 1, "{text}": 1e{"9" * 1000}}}',
    lambda text: f'{{"v": 1, "{text}": {"9" * 50_000}}}',
    lambda text: f'{{"v": 1, "{text}": "\\ud800"}}',
    lambda text: text + "x" * 200_000,
)
