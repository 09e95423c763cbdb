"""Count the product's calls of AWS, and inject the planned faults between botocore and the emulator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from tests.faults.schedules import kinds
from tests.faults.schedules.call_sites import Site, calling_site, service_of
from tests.faults.schedules.kinds import OUTAGE_SECONDS, SETTLING_SECONDS, Fault, Kind, Point
from tests.faults.stage.emulator import Emulator
from tests.faults.stage.strict_dynamodb import RefusedRequest, check_request

Hook = Callable[[], None]
_OK = 200


class InjectedError(Exception):
    """An error that the product must treat as a fault."""


class ProcessDied(BaseException):
    """The process has died: no exception handler runs, and no `finally` reaches AWS."""


@dataclass(eq=False)
class Process:
    """One process of one Lambda, from its start to its end."""

    name: str
    died: bool = False
    overtaken: bool = False


class Injector:
    """The calls and faults of one run."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.reset()

    def reset(self) -> None:
        self.planned: Mapping[int, Kind] = {}
        self.counting = False
        self.points: list[Point] = []
        self.refused_requests: list[str] = []  # by the rules of DynamoDB
        self.injected: list[Fault] = []
        self.overtaken_worker_failed = False  # whether a worker had a fault after another had overtaken it
        self.commits: Counter[tuple[str, str]] = Counter()
        self.times: dict[str, dict[str, set[str]]] = {}  # `at` of each job's messages, by generation
        self.hooks: dict[str, Hook] = {}  # each runs once, before a worker calls this operation
        self.hooks_of_api: dict[str, Hook] = {}  # the same for the API
        self.killers: dict[str, str] = {}  # the worker dies when it calls this operation for this item
        self.overtake: Hook = lambda: None
        self.seconds_of_calls: dict[str, float] = {}  # by process; a call of others takes no time
        self._tokens: set[str] = set()
        self._processes: list[Process] = []
        self._tries = 0
        self._last: tuple[object, ...] = ()  # the process of the last call, and what else was done before it
        self._deeds = 0
        self._down: dict[str, float] = {}
        self._settled_at = 0.0

    @contextmanager
    def process(self, name: str) -> Iterator[Process]:
        """Run a process for the time of the block; it may start inside a call of another one."""
        tries, process = self._tries, Process(name)
        if name != "api":
            # A process in the middle of a call has hung until its messages were delivered again.
            for hanging in self._processes:
                hanging.overtaken = True
        self._processes.append(process)
        try:
            yield process
        finally:
            self._processes.pop()
            self._tries = tries

    def end_of_process(self) -> None:
        """End the calling process."""
        self._end(self._processes[-1])

    def outage(self, service: str, seconds: float) -> None:
        """Let the service return only errors for some seconds."""
        self._down[service] = self._emulator.clock.elapsed + seconds

    def point(self, site: Site, process: str) -> Kind | None:
        """Count a call, and return the fault that is planned for it."""
        if not self.counting:
            return None
        # The poller is no process of the product: it may run while one of them waits in a call.
        running = self._processes[-1] if self._processes else None
        state = (process, running, self._emulator.clock.elapsed, self._deeds)
        point = Point(len(self.points) + 1, site, process, follows=state == self._last)
        self.points.append(point)
        self._last = state
        kind = self.planned.get(point.number)
        if kind is not None:
            assert kind in point.kinds, f"{kind} cannot happen at {site}"
            self.injected.append(Fault(point.number, kind))
        return kind

    def note_deed(self) -> None:
        """Note that something was done that is no call of AWS: a post to a receiver, or a step of a test."""
        self._deeds += 1

    def attach(self, client: Any) -> None:
        """Intercept the calls of this client of the product."""
        service = service_of(client)
        planned: list[Kind | None] = [None]  # of the present call; a client makes one call at a time

        def start(model: Any, params: Any, **_: Any) -> None:
            process = self._processes[-1]
            if process.died:
                raise ProcessDied
            self._emulator.clock.sleep(self.seconds_of_calls.get(process.name, 0.0))
            operation = xform_name(model.name)
            if service == "dynamodb":
                self._check_request(operation, json.loads(_bytes(params["body"])))
            hooks = self.hooks_of_api if process.name == "api" else self.hooks
            hook = hooks.pop(operation, None)
            if hook is not None:
                self.note_deed()
                hook()
            kind = self.point(calling_site(f"{service}.{operation}"), process.name)
            if kind is Kind.OVERTAKEN:
                self.overtake()
            if kind is Kind.GONE_BEFORE or self._kills(process, operation, params):
                self._end(process)
            if kind is Kind.OUTAGE:
                self.outage(service, OUTAGE_SECONDS)
            if kind is Kind.UNSETTLED:
                self._settled_at = self._emulator.clock.elapsed + SETTLING_SECONDS
            planned[0], self._tries = kind, 0

        def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
            self._tries += 1
            return self._answer(service, request, planned[0])

        client.meta.events.register_first("before-call.*.*", start)
        client.meta.events.register_first("before-send.*.*", send)

    def _check_request(self, operation: str, parameters: Any) -> None:
        tables = {name: output for output, name in self._emulator.outputs.items() if output.endswith("Table")}
        try:
            check_request(operation, parameters, tables)
        except RefusedRequest as refused:
            self.refused_requests.append(f"{operation}: {refused}")
            raise

    def _answer(self, service: str, request: AWSPreparedRequest, kind: Kind | None) -> AWSResponse:
        url, first = request.url, self._tries == 1
        down = self._down.get(service, 0) > self._emulator.clock.elapsed
        if down or kind not in {None, Kind.OVERTAKEN}:
            self._note_fault(self._processes[-1])
        if down or kind is Kind.BROKEN:
            return kinds.broken(service, url)
        if kind is Kind.THROTTLED and first:
            return kinds.throttled(service, url)
        if kind is Kind.CONFLICT or (kind is Kind.CONFLICT_ONCE and first):
            return kinds.conflict(url, _bytes(request.body), at=-1 if kind is Kind.CONFLICT else 0)
        if kind is Kind.UNREASONED:
            return kinds.unreasoned(url)
        if kind is Kind.NOT_TAKEN and (first or service == "sqs"):
            not_taken = kinds.not_put if service == "eventbridge" else kinds.not_taken
            return not_taken(request, lambda less: self._emulator.answer(service, less))
        response = self._emulator.answer(service, request)
        self._note_commit(request, response)
        self._note_times(service, request)
        if service == "s3" and self._settled_at > self._emulator.clock.elapsed:
            self._note_fault(self._processes[-1])
            response = kinds.unsettled(url, request.method, response)
        if kind is Kind.LOST or (kind is Kind.LOST_ONCE and first):
            raise ReadTimeoutError(endpoint_url=url, error=None)
        if kind in {Kind.GONE_AFTER, Kind.LATE_REPLAY, Kind.LATER_REPLAY}:
            self._end(self._processes[-1])
        return kinds.cut_short(response) if kind is Kind.CUT and response.status_code == _OK else response

    def _kills(self, process: Process, operation: str, params: Any) -> bool:
        item_id = self.killers.get(operation)
        return process.name == "worker" and item_id is not None and item_id.encode() in _bytes(params["body"])

    def _end(self, process: Process) -> None:
        process.died = True
        self._note_fault(process)
        raise ProcessDied

    def _note_fault(self, process: Process) -> None:
        # A worker that was overtaken has outlived the visibility of its messages, six times its own time-out. Its
        # message is deleted, so no other worker deletes what it then puts into the bucket: it must not fail too.
        self.overtaken_worker_failed |= process.overtaken and process.name == "worker"

    def _note_times(self, service: str, request: AWSPreparedRequest) -> None:
        """Note the time `at` of each message that is sent."""
        body = json.loads(_bytes(request.body)) if service == "sqs" else {}
        for each in body.get("Entries", [body]):
            try:
                message = json.loads(each.get("MessageBody", "{}"))
            except ValueError:
                continue  # a message that is no command, on its way to the parked ones
            if isinstance(message, dict) and message.get("at"):
                of_job = self.times.setdefault(message["job_id"], {})
                of_job.setdefault(message["generation"], set()).add(message["at"])

    def _note_commit(self, request: AWSPreparedRequest, response: AWSResponse) -> None:
        """Count each committed transaction for the jobs that succeed by it; a repeated token is the same one."""
        if self._processes[-1].name == "api":
            return  # the API stores batches by transactions, too
        if (
            not _bytes(request.headers.get("X-Amz-Target", b"")).endswith(b"TransactWriteItems")
            or response.status_code != _OK
        ):
            return
        body = json.loads(_bytes(request.body))
        if body["ClientRequestToken"] not in self._tokens:
            self._tokens.add(body["ClientRequestToken"])
            for job in (each["Update"] for each in body["TransactItems"] if "Update" in each):
                values = job["ExpressionAttributeValues"]
                if values[":status"]["S"] != "succeeded":
                    continue  # it is refused beside others that change the item
                generation = values.get(":generation", {}).get("S", "")
                self.commits[job["Key"]["job_id"]["S"], generation] += 1


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
