"""A stage whose event source mappings are off: the tests invoke the functions with their messages."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import requests
import tenacity

from infra.keys.api_keys import FIRST_OWNER
from infra.stage.names import app_stack
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import Command, CreateItem
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.jobs.job import Job, new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.domain.jobs.scheduled import add_message
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.aws_stores import Stores
from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.stage.dynamodb_index_states import row_key
from tests.helpers.deployed import Stage, unique
from tests.helpers.rule_event import RULE_EVENT
from tests.helpers.shop import order, shop
from tests.iam.grants import Grant, policy_without, template_grants
from worker_lambda.chalicelib.apply_command import apply_command

FUNCTIONS = {
    "APIRole": "api_function",
    "WorkerRole": "worker_function",
    "DeadLettersRole": "dead_letters_function",
    "ReleaseRole": "release_function",
    "TellRole": "events_function",
    "DeliverRole": "deliveries_function",
}
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/jobpipe-local-bus"
MACHINES = "arn:aws:states:us-east-1:000000000000:stateMachine:jobpipe-local-orders"
LARGE = "x" * 5_000  # larger than a document that is stored in its row
LONG = "x" * 210_000  # fits a message; a failed job keeps it as a claim check
HUGE = "x" * 400_000  # larger than a message can be
_DENIED = re.compile(r": AccessDenied(?:Exception)? of (\w+)")
_LOG_SECONDS = 60.0  # a busy machine writes its log late


@dataclass
class Role:
    """A deployed role and its policy."""

    name: str
    arn: str
    policy: str
    document: dict[str, Any]  # as it was deployed
    removed: list[Grant] = field(default_factory=list)


class Lab:
    """A stage whose functions run under their roles, while the tests prepare and check it as the root user."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.resources = stage.resources
        clients = AwsClients(make=lambda service, **_: stage.aws(service))
        jobs = DynamoDbJobs(clients, self.resources["jobs_table"], timedelta(days=1))
        items = DynamoDbItems(clients, self.resources["items_table"], self.resources["names_table"], jobs)
        tables = self.resources["collections_table"], self.resources["lookups_table"]
        self.stores = Stores(
            *(jobs, items, S3Documents(clients, self.resources["documents_bucket"])),
            registry=shop(),
            open_collection=lambda name, scope: DynamoDbCollection(clients, tables, jobs, name, scope),
        )
        self.webhooks = DynamoDbWebhooks(clients, self.resources["webhooks_table"])
        self.deliveries = DynamoDbDeliveries(clients, self.resources["webhooks_table"])
        states = {"customer": "ready", "invoice": "ready"}
        row = {**row_key("orders"), "states": {"S": json.dumps(states)}}
        stage.aws("dynamodb").put_item(TableName=tables[0], Item=row)
        self.roles = {role: self._role(role) for role in FUNCTIONS}
        # For a missing bucket, the emulator answers that it does not exist before it checks the role.
        self.other_bucket = self.resources["documents_bucket"].replace("-local-", "-another-")
        stage.aws("s3").create_bucket(Bucket=self.other_bucket)
        functions = stage.aws("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        events = stage.aws("events")
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        # It tries what fails again as long as it has time.
        functions.update_function_configuration(FunctionName=self.resources["release_function"], Timeout=25)

    def _role(self, role: str) -> Role:
        app = next(grant.app for grant in template_grants() if grant.role == role)
        stack = app_stack(self.stage.deployment.stage, app)
        cloudformation, iam = self.stage.aws("cloudformation"), self.stage.aws("iam")
        found = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=role)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        function = self.resources[FUNCTIONS[role]]
        arn = self.stage.aws("lambda").get_function_configuration(FunctionName=function)["Role"]
        assert arn.endswith(f"/{name}"), f"{function} runs under {arn}"
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        return Role(name, arn, policy, document)

    # --- the roles ------------------------------------------------------------------------------------------------

    @contextmanager
    def without_grants(self, *grants: Grant) -> Iterator[None]:
        """Remove the grants from the role during the block, in addition to those that are removed already."""
        role = self.roles[grants[0].role]
        role.removed += grants
        self._apply(role)
        try:
            yield
        finally:
            del role.removed[-len(grants) :]
            self._apply(role)

    @contextmanager
    def with_grants_of_another_stage(self, name: str) -> Iterator[None]:
        """Give the role the grants of the same role of another stage during the block."""
        role = self.roles[name]
        this_stage, other_stage = (f"jobpipe-{stage}-" for stage in (self.stage.deployment.stage, "another"))
        self._put(role, json.loads(json.dumps(role.document).replace(this_stage, other_stage)))
        try:
            yield
        finally:
            self._apply(role)

    def _apply(self, role: Role) -> None:
        document = role.document
        for grant in role.removed:
            document = policy_without(document, grant.sid, grant.action)
        self._put(role, document)

    def _put(self, role: Role, document: dict[str, Any]) -> None:
        self.stage.aws("iam").put_role_policy(
            RoleName=role.name, PolicyName=role.policy, PolicyDocument=json.dumps(document)
        )

    # --- requests -------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send one HTTP request."""
        return self.stage.request(method, path, body, headers={n.replace("_", "-"): v for n, v in headers.items()})

    # --- the state of the stage, as the root user -----------------------------------------------------------------

    def accept(self, command: Command, key: str | None = None) -> Job:
        """Return a job of the stage's caller whose message has not been sent."""
        job = new_job(command, FIRST_OWNER, key, now(), timedelta(days=1))
        assert self.stores.jobs.put_new(job, now()) is None
        return job

    def let_wait(self, command: Command) -> Job:
        """Return a scheduled job of the stage's caller that is due; put its command, if it waits in the bucket."""
        accepted = now() - timedelta(minutes=2)
        command = replace(command, not_before=rfc3339(accepted + timedelta(minutes=1)))
        job = add_message(new_job(command, FIRST_OWNER, None, accepted, timedelta(days=1)), command, "test")
        assert self.stores.jobs.put_new(job, now()) is None
        assert job.waiting is not None
        if job.waiting.claim is not None:
            self.stores.documents.put(job.waiting.claim, json.dumps(command.to_raw()))
        return job

    def create_item(self, **more: Any) -> StoredItem:
        """Return an item that an earlier command has created."""
        command = new_item(**more)
        apply_command(command, QueueMessage.of(self.accept(command), command, "test"), self.stores)
        item = self.stores.items.get(command.item_id)
        assert item is not None
        return item

    def create_order(self, **more: Any) -> StoredItem:
        """Return an order that an earlier command has created."""
        command = new_order(**more)
        apply_command(command, QueueMessage.of(self.accept(command), command, "test"), self.stores)
        found = self.stores.open_collection("orders", "").get(command.item_id)
        assert found is not None
        return found

    def expire_version(self, item: StoredItem) -> None:
        """Put the document again, and delete the version that the row names, as lifecycle would."""
        found = self.stores.documents.get(item.document)
        assert found is not None
        self.stores.documents.put(item.document.key, found[1])
        self.stage.aws("s3").delete_object(
            Bucket=self.resources["documents_bucket"], Key=item.document.key, VersionId=item.document.version_id
        )

    def status(self, job: Job) -> str:
        found = self.stores.jobs.get(job.job_id)
        assert found is not None
        return found.status.value

    def documents(self, item_id: str, folder: str = "items") -> int:
        """Return the number of documents of the item."""
        return len(self.stage.keys(f"{folder}/{item_id}/"))

    def versions(self, item_id: str, folder: str = "items") -> int:
        """Return the number of versions that were ever put for the item."""
        found = self.stage.aws("s3").list_object_versions(
            Bucket=self.resources["documents_bucket"], Prefix=f"{folder}/{item_id}/"
        )
        return len(found.get("Versions", []))

    def claims(self, job_id: str) -> int:
        """Return the number of claim checks of the job."""
        return len(self.stage.keys(f"claims/{job_id}/"))

    def commands(self, job_id: str) -> int:
        """Return the number of commands of the job that wait in the bucket."""
        return len(self.stage.keys(f"scheduled/{job_id}/"))

    def waiting(self, queue: str) -> int:
        """Return the number of messages on the queue, including those in flight and delayed."""
        names = [f"ApproximateNumberOfMessages{each}" for each in ("", "NotVisible", "Delayed")]
        url = self.resources[f"{queue}_queue_url"]
        found = self.stage.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def messages_of(self, job: Job) -> int:
        """Return the number of the job's messages on the queue of commands, none of which is in flight."""
        url = self.resources["commands_queue_url"]
        received = self.stage.aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return sum(job.job_id in message["Body"] for message in received.get("Messages", []))

    def is_redelivered_within(self, seconds: int, queue: str = "commands") -> bool:
        """Return whether the queue delivers a message within the time."""
        url = self.resources[f"{queue}_queue_url"]
        return "Messages" in self.stage.aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=seconds)

    def empty_queues(self) -> None:
        for queue in ("commands", "parked", "events", "deliveries", "deliveries_later"):
            self.stage.aws("sqs").purge_queue(QueueUrl=self.resources[f"{queue}_queue_url"])

    # --- deliveries -----------------------------------------------------------------------------------------------

    def delivery_of(self, job: Job, command: Command, receives: int = 1) -> dict[str, Any]:
        """Return a delivery of the job's message; put its claim check, if it needs one."""
        envelope = seal(QueueMessage.of(job, command, "test"))
        if envelope.claim is not None:
            self.stores.documents.put(envelope.claim.key, envelope.claim.text)
        return record(envelope.body, receives=receives)

    def receive(self, body: str, queue: str = "commands") -> dict[str, Any]:
        """Return a delivery that was received from the queue, with a valid receipt."""
        sqs, url, group = self.stage.aws("sqs"), self.resources[f"{queue}_queue_url"], uuid.uuid4().hex
        fifo = {"MessageGroupId": group, "MessageDeduplicationId": group} if url.endswith(".fifo") else {}
        sqs.send_message(QueueUrl=url, MessageBody=body, **fifo)
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        return record(body, receipt=message["ReceiptHandle"])

    def run_worker(self, *records: dict[str, Any]) -> bool:
        """Invoke the worker with a batch; return whether messages of it are to be redelivered."""
        return self._invoke("worker_function", records)

    def run_dead_letter_consumer(self, *records: dict[str, Any]) -> bool:
        """Invoke the dead-letter consumer with a batch; return whether messages of it are to be redelivered."""
        return self._invoke("dead_letters_function", records)

    def run_teller(self, *records: dict[str, Any]) -> bool:
        """Invoke the function that tells; return whether messages of the batch are to be redelivered."""
        return self._invoke("events_function", records)

    def run_deliverer(self, *records: dict[str, Any]) -> bool:
        """Invoke the function that delivers; return whether messages of the batch are to be redelivered."""
        return self._invoke("deliveries_function", records)

    def release(self) -> None:
        """Invoke the function that releases what is due."""
        answer = self.stage.aws("lambda").invoke(
            FunctionName=self.resources["release_function"], Payload=json.dumps(RULE_EVENT)
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    def _invoke(self, function: str, records: Sequence[dict[str, Any]]) -> bool:
        answer = self.stage.aws("lambda").invoke(
            FunctionName=self.resources[function], Payload=json.dumps({"Records": records})
        )
        response = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, response
        return bool(response["batchItemFailures"])

    # --- logs -----------------------------------------------------------------------------------------------------

    def denied_operations(self, role: str, since: float) -> set[str]:
        """Wait for the first denied operation in the function's log; return all of them since the time."""
        group = f"/aws/lambda/{self.resources[FUNCTIONS[role]]}"
        logs = self.stage.aws("logs")

        def denied() -> set[str]:
            lines = logs.filter_log_events(logGroupName=group, startTime=int(since * 1000))["events"]
            return {operation for line in lines for operation in _DENIED.findall(line["message"])}

        return tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: not found),
            stop=tenacity.stop_after_delay(_LOG_SECONDS),
            wait=tenacity.wait_fixed(0.05),
            retry_error_callback=lambda _: set(),
        )(denied)


def new_item(**more: Any) -> CreateItem:
    """Return a command that creates an item."""
    return CreateItem(str(uuid.uuid4()), {"name": unique("Tent"), "description": "d", **more})


def new_order(**more: Any) -> CreateItem:
    """Return a command that creates an order."""
    number = f"A-{secrets.randbelow(10**8)}"
    item = order(number, invoice=secrets.randbelow(10**12) + 1, **more)
    command = parse_order({"operation": "create", "item": item})
    assert isinstance(command, CreateItem)
    return command


def parse_order(raw: dict[str, Any]) -> Command:
    """Return the command for the collection of orders."""
    return parse_command({**raw, "collection": "orders"}, new_item_id="", registry=shop(), owner=FIRST_OWNER)


def large_order() -> dict[str, Any]:
    """Return fields of an order that is larger than a document that is stored in its row."""
    return {"lines": [{"sku": "x" * 40, "quantity": 1, "price": 1}] * 50}


def record(body: str, *, receives: int = 1, receipt: str = "none") -> dict[str, Any]:
    """Return a message as Lambda passes it to a function, in a message group of its own."""
    return {
        "messageId": secrets.token_hex(8),
        "receiptHandle": receipt,
        "body": body,
        "attributes": {"MessageGroupId": secrets.token_hex(8), "ApproximateReceiveCount": str(receives)},
    }
