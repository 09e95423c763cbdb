"""Faults of calls, drawn from a seed: refusals in the format of each service, lost answers, delays, kills.

Two kinds exceed the retries of botocore, so that the message is returned to its queue. In an *outage* a service
refuses nearly every call for some seconds. The document of an *interrupted* command is refused until botocore has
given up once, while the later commands of its item would succeed.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

API, DYNAMODB, S3, SQS = "api", "dynamodb", "s3", "sqs"


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request that reached the proxy."""

    service: str
    operation: str  # such as PutObject; for the API, the method
    body: bytes
    client_port: int  # it identifies the process: see lambda_processes


@dataclass(frozen=True, slots=True)
class Fault:
    """What the proxy does with a call, instead of only forwarding it."""

    kind: str
    forward: bool = False  # the call takes effect, but its caller gets no answer
    delay: float = 0.0  # seconds before anything else
    kill: bool = False  # kill the process that made the call
    kill_after: float = 0.0  # seconds; the call is forwarded then
    answer: Refusal | None = None  # if None, the connection is dropped, unless the call is only delayed
    only_delay: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer from the proxy instead of AWS."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """The probability of each kind of fault, for each call."""

    refuse: float = 0.015
    conflict: float = 0.06  # of a call that DynamoDB refuses during a transaction
    drop: float = 0.006  # the call has no effect
    lose: float = 0.01  # the answer to a call that takes effect
    delay: float = 0.05
    kill: float = 0.005  # of a write by a Lambda; 0.3 of it for other calls
    outage: float = 0.9  # of a call to the service that has an outage
    interrupt: int = 25  # every 25th command is interrupted on average; with 0, none is


NO_FAULTS = Rates(0, 0, 0, 0, 0, 0, 0, 0)
LONGEST_DELAY = 0.15  # seconds
LONGEST_KILL_DELAY = 0.3  # seconds from a call to a kill

BOTOCORE_TRIES = 3  # of one call; jobpipe.runtime.aws sets it

_COUNT = re.compile(rb'"count": ?(\d+)')  # the number of the command that put the document: see load
_DYNAMODB = (
    (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
    (400, "com.amazon.coral.availability#ThrottlingException"),
    (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    (503, "com.amazon.coral.service#ServiceUnavailableException"),
)
_SQS = (
    (400, "com.amazonaws.sqs#RequestThrottled"),
    (500, "com.amazonaws.sqs#InternalFailure"),
    (503, "com.amazonaws.sqs#ServiceUnavailable"),
)
_S3 = ((503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable"))
_API = ((502, "Internal server error"), (503, "Service Unavailable"), (429, "Too Many Requests"))
_CANCELLED = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
_REASONS = ("TransactionConflict", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
_CONFLICT = "com.amazonaws.dynamodb.v20120810#TransactionConflictException"
_IN_PROGRESS = "com.amazonaws.dynamodb.v20120810#TransactionInProgressException"
# Kills depend on calls and not on time, since a slow machine would complete nothing between two kills.
_KILL_FACTORS = {"TransactWriteItems": 1.0, "UpdateItem": 1.0, "PutObject": 1.0, "DeleteObject": 1.0}
_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}


class Faults:
    """Draws a fault, or none, for each call. Threads share it; `rates` may change at any time."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._random = random.Random(f"faults {seed}")
        self._lock = threading.Lock()
        self.rates = rates
        self.outage: str | None = None  # the service that has an outage
        self._refused: Counter[int] = Counter()  # by number of the interrupted command

    def stop(self) -> None:
        """Inject no more faults."""
        self.rates = NO_FAULTS
        self.outage = None

    def draw(self, call: Call) -> Fault | None:
        with self._lock:
            return self._draw(call, self.rates)

    def _draw(self, call: Call, rates: Rates) -> Fault | None:
        if call.service == self.outage and self._random.random() < rates.outage:
            fault = self._refusal(call)
            return replace(fault, kind=f"{call.service} outage")
        if rates.interrupt and call.operation == "PutObject" and self._is_interrupted(call, rates.interrupt):
            return replace(self._refusal(call), kind="s3 interruption")
        if call.service == DYNAMODB and self._random.random() < rates.conflict:
            conflict = self._conflict(call)
            if conflict is not None:
                return conflict
        make: Callable[[Call], Fault]
        chance = self._random.random()
        for rate, make in (
            (rates.refuse, self._refusal),
            (rates.drop, lambda c: Fault(f"{c.service} dropped before")),
            (rates.lose, lambda c: Fault(f"{c.service} answer lost", forward=True)),
            (rates.delay, self._delay),
            (rates.kill * _KILL_FACTORS.get(call.operation, 0.0 if call.service == API else 0.3), self._kill),
        ):
            if chance < rate:
                return make(call)
            chance -= rate
        return None

    def _is_interrupted(self, call: Call, one_in: int) -> bool:
        found = _COUNT.search(call.body)
        number = int(found[1]) if found else 0
        if found is None or number % one_in or self._refused[number] >= BOTOCORE_TRIES:
            return False
        self._refused[number] += 1
        return True

    def _refusal(self, call: Call) -> Fault:
        match call.service:
            case "dynamodb":
                status, name = self._random.choice(_DYNAMODB)
                return _json_fault(call, status, name)
            case "sqs":
                status, name = self._random.choice(_SQS)
                return _json_fault(call, status, name)
            case "s3":
                status, name = self._random.choice(_S3)
                text = f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>chaos</Message></Error>"
                return Fault(f"s3 {status}", answer=Refusal(status, "application/xml", text.encode()))
            case _:
                status, message = self._random.choice(_API)
                answer = Refusal(status, "application/json", json.dumps({"message": message}).encode())
                # A gateway that times out may have forwarded the request before.
                return Fault(f"api {status}", answer=answer, forward=status != 429 and self._random.random() < 0.5)

    def _conflict(self, call: Call) -> Fault | None:
        """Return the fault that a concurrent transaction causes, which MiniStack never answers."""
        if call.operation in _WRITES:
            return replace(_json_fault(call, 400, _CONFLICT), kind="dynamodb conflict")
        if call.operation != "TransactWriteItems":
            return None
        if self._random.random() < 0.1:
            return replace(_json_fault(call, 400, _IN_PROGRESS), kind="dynamodb conflict")
        writes = len(json.loads(call.body)["TransactItems"])
        reasons = [{"Code": "None"} for _ in range(writes)]
        code = self._random.choice(_REASONS)
        reasons[self._random.randrange(writes)] = {"Code": code, "Message": "chaos"}
        fault = _json_fault(call, 400, _CANCELLED, CancellationReasons=reasons)
        return replace(fault, kind="dynamodb conflict")

    def _delay(self, call: Call) -> Fault:
        seconds = self._random.uniform(0, LONGEST_DELAY)
        return Fault(f"{call.service} delayed", delay=seconds, only_delay=True)

    def _kill(self, call: Call) -> Fault:
        match self._random.randrange(3):
            case 0:
                return Fault("killed before the call", kill=True)
            case 1:
                return Fault("killed after the call", kill=True, forward=True)
            case _:
                return Fault(
                    "killed after a delay", kill=True, kill_after=self._random.uniform(0, LONGEST_KILL_DELAY)
                )


def _json_fault(call: Call, status: int, name: str, **members: object) -> Fault:
    text = json.dumps({"__type": name, "message": "chaos", **members})
    kind = f"{call.service} {'throttled' if status == 400 else status}"
    return Fault(kind, answer=Refusal(status, "application/x-amz-json-1.0", text.encode()))
