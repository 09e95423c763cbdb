"""What no caller sends: second copies of messages, at once and much later, and garbage."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.chaos.background import repeated
from tests.chaos.faults import SQS, Call
from tests.chaos.tally import Tally

KEPT = 500  # messages to choose late copies from
AT_ONCE, LATE = 0.08, 0.08  # of the messages


class Intruder:
    """Sends to the commands queue with the rights of an operator, past the proxy."""

    def __init__(self, sqs: Any, queue_url: str, seed: int, tally: Tally) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._random = random.Random(f"intruder {seed}")
        self._tally = tally
        self._lock = threading.Lock()
        self._sent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._seen = self._copies = 0
        self.garbage: list[str] = []  # the bodies

    def see(self, call: Call) -> None:
        """Every call that AWS took; some messages are sent again, before their sender hears of the first."""
        if call.service != SQS or call.operation != "SendMessage":
            return
        message = json.loads(call.body)
        if message["QueueUrl"] != self._queue_url:
            return
        with self._lock:
            self._sent.append(message)
            self._seen += 1
            again = self._random.random() < AT_ONCE
        if again:
            self._send_copy(message, "at once")

    def copy_late(self, number: int = 1) -> None:
        """Sends messages of long ago again."""
        for _ in range(number):
            with self._lock:
                message = self._random.choice(self._sent) if self._sent else None
            if message:
                self._copies += 1
                self._send_copy(message, "late")

    def send_garbage(self, groups: list[str]) -> None:
        """Something that is no command, in the line of an item that has commands."""
        with self._lock:
            body = self._random.choice(_GARBAGE)(uuid.uuid4().hex)
            group = self._random.choice(groups or ["nobody"])
        self._send(body, group)
        self.garbage.append(body)
        self._tally.add("garbage messages")

    def at_work(self, every: float, groups: list[str], *, garbage: int) -> AbstractContextManager[None]:
        """Late copies, and some garbage, every so many seconds on average."""

        def step() -> None:
            if self._copies < LATE * self._seen:
                self.copy_late()
            if len(self.garbage) < garbage and self._random.random() < 0.4:
                self.send_garbage(groups)

        return repeated(step, lambda: self._random.uniform(0, 2) * every)

    def _send_copy(self, message: dict[str, Any], when: str) -> None:
        self._send(message["MessageBody"], message["MessageGroupId"])
        self._tally.add(f"messages copied {when}")

    def _send(self, body: str, group: str) -> None:
        # Another deduplication id: what SQS sees is another message.
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=uuid.uuid4().hex,
        )


# Each takes some text that no other garbage has.
_GARBAGE: tuple[Callable[[str], str], ...] = (
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
