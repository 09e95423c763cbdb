"""A stage whose Lambdas call AWS through counting proxies, and whose messages only the lab receives."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import requests
import tenacity
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.readiness import wait_until_healthy
from infra.settings import LOCAL_STAGE
from infra.templates.rendering import Rendered
from infra.templates.sources import FOUNDATION, read_template
from tests.calls.meter import Index, Meter
from tests.chaos.faults import Call, Fault
from tests.chaos.proxy import Proxy, running_proxy
from tests.faults.stage.events import sqs_record
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.receiver import Receiver, receiver

LambdaName = Literal["api", "worker", "dead_letters", "worker_with_events", "events", "deliveries"]
FUNCTIONS: dict[LambdaName, str] = {
    "api": "api_function",
    "worker": "worker_function",
    "dead_letters": "dead_letters_function",
}
EVENT_FUNCTIONS: dict[LambdaName, str] = {  # of a stage with Events=on
    "worker_with_events": "worker_function",
    "events": "events_function",
    "deliveries": "deliveries_function",
}
ALL_FUNCTIONS = FUNCTIONS | EVENT_FUNCTIONS
_QUEUES: dict[LambdaName, str] = {"events": "events_queue_url", "deliveries": "deliveries_queue_url"}
_ALL_QUEUES = ("commands_queue_url", *_QUEUES.values(), "deliveries_later_queue_url")
COLLECTIONS = Path(__file__).with_name("collections")
_LOG_SECONDS = 10
_UPDATE_SECONDS = 30
_ATTRIBUTES = [
    *("MessageGroupId", "SequenceNumber", "ApproximateReceiveCount", "SentTimestamp"),
    "AWSTraceHeader",
]


@dataclass
class Lab:
    """The Lambdas with their meters, and the actions of a caller and of Lambda's poller."""

    stage: Stage
    meters: dict[LambdaName, Meter]
    receiver: Receiver | None = None  # of webhooks, if the stage has events
    faults: dict[str, Fault] = field(default_factory=dict)  # of the next call of an AWS operation

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send a request."""
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stage.request(method, path, body, headers=renamed)

    def accept(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a command; return its job, whose message is queued."""
        answer = self.request(method, path, body, **headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    @property
    def worker(self) -> LambdaName:
        """The worker, under the name of its counts."""
        return "worker" if "worker" in self.meters else "worker_with_events"

    def end(self, method: str, path: str, body: Any = None, status: str = "succeeded") -> Any:
        """Send a command and process it; return its job, which must end with the status."""
        job = self.accept(method, path, body)
        self.consume(self.receive(), lambda_name=self.worker)
        self.check_status(job, status)
        return job

    def receive(self, count: int = 1, lambda_name: LambdaName = "worker") -> list[dict[str, Any]]:
        """Receive all messages of a function's queue, of which there must be `count`, as Lambda's poller does."""
        received: list[dict[str, Any]] = []
        sqs, url = self.stage.aws("sqs"), self._queue(lambda_name)
        while len(received) < count:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=_ATTRIBUTES
            )
            received += answer.get("Messages", [])
        assert len(received) == count, "messages of earlier commands are on the queue"
        return received

    def consume(
        self, messages: list[dict[str, Any]], receives: int = 1, lambda_name: LambdaName = "worker"
    ) -> None:
        """Invoke a function with a batch, and delete its messages."""
        self.invoke(messages, receives, lambda_name)
        for message in messages:
            self.stage.aws("sqs").delete_message(
                QueueUrl=self._queue(lambda_name), ReceiptHandle=message["ReceiptHandle"]
            )

    def invoke(self, messages: list[dict[str, Any]], receives: int = 1, lambda_name: LambdaName = "worker") -> None:
        """Invoke a function with a batch, and check that it returns none of its messages."""
        for message in messages:
            message["Attributes"]["ApproximateReceiveCount"] = str(receives)
        answer = self.stage.aws("lambda").invoke(
            FunctionName=self.stage.resources[ALL_FUNCTIONS[lambda_name]],
            Payload=json.dumps({"Records": [sqs_record(message) for message in messages]}),
        )
        response = json.loads(answer["Payload"].read())
        assert response == {"batchItemFailures": []}, response

    def empty_queues(self) -> None:
        """Delete all messages of the queues that the stage has."""
        for name in _ALL_QUEUES:
            if name in self.stage.resources:
                self.stage.aws("sqs").purge_queue(QueueUrl=self.stage.resources[name])

    def waiting(self, lambda_name: LambdaName) -> int:
        """Return the number of messages that can be received from a function's queue."""
        names = ["ApproximateNumberOfMessages"]
        answer = self.stage.aws("sqs").get_queue_attributes(QueueUrl=self._queue(lambda_name), AttributeNames=names)
        return int(answer["Attributes"][names[0]])

    def _queue(self, lambda_name: LambdaName) -> str:
        return self.stage.resources[_QUEUES.get(lambda_name, "commands_queue_url")]

    def check_status(self, job: Any, status: str) -> None:
        """Check the status of the job."""
        row = self.stage.aws("dynamodb").get_item(
            TableName=self.stage.resources["jobs_table"], Key={"job_id": {"S": job["id"]}}, ConsistentRead=True
        )["Item"]
        assert row["status"]["S"] == status, row

    def log_lines(self, lambda_name: LambdaName) -> list[str]:
        """Return the function's log lines without Lambda's own, once the log of its last invocation is complete."""
        group = f"/aws/lambda/{self.stage.resources[ALL_FUNCTIONS[lambda_name]]}"
        pages = self.stage.aws("logs").get_paginator("filter_log_events")

        def lines() -> list[str]:
            return [
                str(event["message"]) for page in pages.paginate(logGroupName=group) for event in page["events"]
            ]

        def complete(found: list[str]) -> bool:
            return sum(line.startswith("START ") for line in found) == sum(
                line.startswith("REPORT ") for line in found
            )

        found: list[str] = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: not complete(found)),
            stop=tenacity.stop_after_delay(_LOG_SECONDS),
            wait=tenacity.wait_fixed(0.02),
        )(lines)
        return [line for line in found if line.startswith("{")]

    def take_fault(self, call: Call) -> Fault | None:
        """Return the fault that a test has set for the call, once."""
        return self.faults.pop(call.operation, None)


@contextmanager
def laboratory(state_dir: Path, *, events: bool = False) -> Iterator[Lab]:
    """Deploy a new stage for the block, with or without Events=on."""
    named = EVENT_FUNCTIONS if events else FUNCTIONS
    with ExitStack() as stack:
        target, settings = stack.enter_context(embedded(state_dir))
        progress = Progress(Console(quiet=True))
        settings = replace(settings, collections=COLLECTIONS)
        stage = Stage(
            Deployer(
                target, LOCAL_STAGE, settings, progress, {"JobLists": "off", "Events": "on" if events else "off"}
            ).deploy()
        )
        functions = stage.aws("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        lab = Lab(stage, {}, stack.enter_context(receiver()) if events else None)
        for lambda_name, function in named.items():
            proxy = stack.enter_context(running_proxy(settings.port))
            lab.meters[lambda_name] = _attach_meter(proxy, lab)
            _route_through(proxy, stage, function)
        wait_until_healthy(stage.deployment.base_url)
        lab.end("POST", "/items", {"name": secrets.token_hex(8), "description": "warm"})
        lab.empty_queues()
        for lambda_name in named.keys() - {"api", lab.worker}:
            lab.invoke([], lambda_name=lambda_name)
        yield lab


def _attach_meter(proxy: Proxy, lab: Lab) -> Meter:
    properties = Rendered(read_template(FOUNDATION)).of_type("AWS::DynamoDB::Table")["JobsTable"]
    keys = {each["AttributeName"] for each in properties["KeySchema"]}
    indexes = []
    for index in properties["GlobalSecondaryIndexes"]:
        key = {each["AttributeName"] for each in index["KeySchema"]}
        projected = key | keys | set(index["Projection"].get("NonKeyAttributes", []))
        indexes.append(Index(lab.stage.resources["jobs_table"], frozenset(key), frozenset(projected)))
    meter = Meter(lab.stage.aws("dynamodb"), indexes)

    def decide(call: Call) -> Fault | None:
        meter.record_request(call)
        return lab.take_fault(call)

    proxy.decide, proxy.answered = decide, meter.record_response
    return meter


def _route_through(proxy: Proxy, stage: Stage, function: str) -> None:
    """Make the function call AWS through the proxy. The emulator writes its log without the proxy."""
    functions, name = stage.aws("lambda"), stage.resources[function]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "AWS_ENDPOINT_URL": proxy.url}}
    )
    tenacity.Retrying(  # boto3's waiter polls every few seconds only
        retry=tenacity.retry_if_result(lambda found: found["LastUpdateStatus"] != "Successful"),
        stop=tenacity.stop_after_delay(_UPDATE_SECONDS),
        wait=tenacity.wait_fixed(0.02),
    )(functions.get_function_configuration, FunctionName=name)
