"""Tasks of Step Functions that wait for jobs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import tenacity

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command, ReadItem
from jobpipe.domain.errors import NotFound
from jobpipe.domain.events.ended_jobs import EndedJob, encode_ended
from jobpipe.domain.jobs.queue_message import QueueMessage
from tests.iam.lab import Lab, new_item, record
from worker_lambda.chalicelib.apply_command import apply_command

_ANSWER_SECONDS = 3.0  # after the function has returned; without an answer the task runs on


def answer_a_task_with_a_success(lab: Lab) -> str:
    command = new_item()
    with _task(lab) as (token, execution):
        job = lab.accept(replace(command, task_token=token))
        apply_command(command, QueueMessage.of(job, command, "test"), lab.stores)
        return _told(lab, job.job_id, command, execution)


def answer_a_task_with_a_failure(lab: Lab) -> str:
    command = ReadItem(secrets.token_hex(8))
    with _task(lab) as (token, execution):
        job = lab.accept(replace(command, task_token=token))
        lab.stores.jobs.fail(job.ref, NotFound("There is no such item.").to_problem(), now())
        return _told(lab, job.job_id, command, execution)


def give_an_ended_job_a_token(lab: Lab) -> str:
    key, item = secrets.token_hex(8), lab.create_item()
    raw: dict[str, Any] = {"operation": "read", "item_id": item.item_id}
    job_id = lab.request("POST", "/jobs", raw, idempotency_key=key).json()["id"]
    lab.request("DELETE", f"/jobs/{job_id}")
    answer = lab.request("POST", "/jobs", {**raw, "task_token": "a-token"}, idempotency_key=key)
    return f"{answer.status_code}, {lab.waiting('events')} to answer"


def _told(lab: Lab, job_id: str, command: Command, execution: str) -> str:
    """Tell the end of the job; return the status of the task's execution."""
    job = lab.stores.jobs.get(job_id)
    assert job is not None
    returned = lab.run_teller(record(encode_ended([EndedJob(job.ref, command.item)])))
    states = lab.stage.aws("stepfunctions")

    def status() -> str:
        return str(states.describe_execution(executionArn=execution)["status"])

    found = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda each: each == "RUNNING"),
        stop=tenacity.stop_after_delay(_ANSWER_SECONDS),
        wait=tenacity.wait_fixed(0.1),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )(status)
    return f"{'returned' if returned else 'acknowledged'}, {found}"


@contextmanager
def _task(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield the token of a task that waits, and its execution."""
    name = f"tasks-{secrets.token_hex(8)}"
    sqs, states = lab.stage.aws("sqs"), lab.stage.aws("stepfunctions")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 60,
        "End": True,
    }
    machine = states.create_state_machine(
        name=name,
        roleArn=_role_of_machines(lab),
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": wait}}),
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    try:
        yield json.loads(message["Body"])["token"], execution
    finally:
        states.delete_state_machine(stateMachineArn=machine)
        sqs.delete_queue(QueueUrl=queue)


def _role_of_machines(lab: Lab) -> str:
    """Return a role of state machines that may send messages."""
    iam, name = lab.stage.aws("iam"), "tasks"
    states = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [states]})
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])
