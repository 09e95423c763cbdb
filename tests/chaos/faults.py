"""What goes wrong with which call, by seeded chance: refusals in each service's own format, lost answers, delays.

Two kinds outlast botocore's own retries, so that a message goes back to the queue. A *storm* is a service that
refuses nearly every call for a while. An *unlucky* command is one whose document is refused until botocore has
given up once, while those behind it in its item's line would do well.
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
    operation: str  # PutObject, TransactWriteItems, …; for the API the method
    body: bytes
    client_port: int  # whose it is: see killer


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do with a call instead of forwarding it and passing the answer on."""

    kind: str
    forward: bool = False  # it takes effect, though its caller does not learn of it
    delay: float = 0.0  # seconds, before anything else
    kill: bool = False  # the process that made the call
    kill_after: float = 0.0  # seconds; the call itself goes well then
    answer: Refusal | None = None  # None: the connection is dropped, unless the call is only delayed
    only_delay: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not AWS's."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """The chance of each kind of fault, per call."""

    refuse: float = 0.015
    conflict: float = 0.06  # of what DynamoDB refuses while a transaction is under way
    drop: float = 0.006  # before the call took effect
    lose: float = 0.01  # after it took effect
    delay: float = 0.05
    kill: float = 0.005  # of what the worker calls; a third of it else
    storm: float = 0.9  # of a call to the service that has a storm
    unlucky: int = 25  # one command in so many; 0: none


CALM = Rates(0, 0, 0, 0, 0, 0, 0, 0)
LONGEST_DELAY = 0.15  # seconds
LONGEST_LIFE = 0.3  # seconds from a call to a death that has nothing to do with it

BOTOCORE_TRIES = 3  # of one call, as jobpipe.runtime.aws sets it

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
# By call, not by time: on a slow machine nothing would ever get done between two deaths by the clock.
_DEADLY = {"TransactWriteItems": 1.0, "UpdateItem": 1.0, "PutObject": 1.0, "DeleteObject": 1.0}
_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}


class Faults:
    """Draws a fault, or none, for each call. Threads share it; `rates` may change at any time."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._random = random.Random(f"faults {seed}")
        self._lock = threading.Lock()
        self.rates = rates
        self.storm: str | None = None  # the service that has one
        self._refused: Counter[int] = Counter()  # documents of unlucky commands

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.rates = CALM
        self.storm = None

    def draw(self, call: Call) -> Fault | None:
        with self._lock:
            return self._draw(call, self.rates)

    def _draw(self, call: Call, rates: Rates) -> Fault | None:
        if call.service == self.storm and self._random.random() < rates.storm:
            fault = self._refusal(call)
            return replace(fault, kind=f"{call.service} storm")
        if rates.unlucky and call.operation == "PutObject" and self._is_unlucky(call, rates.unlucky):
            return replace(self._refusal(call), kind="s3 unlucky")
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
            (rates.kill * _DEADLY.get(call.operation, 0.0 if call.service == API else 0.3), self._kill),
        ):
            if chance < rate:
                return make(call)
            chance -= rate
        return None

    def _is_unlucky(self, call: Call, one_in: int) -> bool:
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
                status, said = self._random.choice(_API)
                answer = Refusal(status, "application/json", json.dumps({"message": said}).encode())
                # A gateway that gives up may well have passed the request on before.
                return Fault(f"api {status}", answer=answer, forward=status != 429 and self._random.random() < 0.5)

    def _conflict(self, call: Call) -> Fault | None:
        """What MiniStack never answers: another transaction holds a row."""
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
                return Fault("killed a little later", kill=True, kill_after=self._random.uniform(0, LONGEST_LIFE))


def _json_fault(call: Call, status: int, name: str, **members: object) -> Fault:
    text = json.dumps({"__type": name, "message": "chaos", **members})
    kind = f"{call.service} {'throttled' if status == 400 else status}"
    return Fault(kind, answer=Refusal(status, "application/x-amz-json-1.0", text.encode()))
