"""The programs of docs/how-to/wait-in-a-state-machine.md run as on the page, and tasks get what it says."""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from tests.helpers.commands import ROOT, clean_environment, run
from tests.helpers.deployed import Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP, order

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "how-to" / "wait-in-a-state-machine.md").read_text()
FUNCTION, CREATE, RUN = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PARAMETERS = dict(each.split("=") for each in re.findall(r'PARAMETERS="(.*?)"', PAGE)[0].split())
(PRINTED,) = re.findall(r"^```\n(shipped\n.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@dataclass
class Machine:
    """A stage that is deployed as on the page, with the state machine of the page."""

    stage: Stage
    deployer: Deployer
    environment: dict[str, str]
    folder: Path

    def run(self, program: str, **variables: str) -> str:
        begin = f"import os; os.chdir({str(self.folder)!r})\n"  # where ask.py is
        done = run(sys.executable, "-c", begin + program, env=self.environment | variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def waiting(self, name: str, command: dict[str, Any], key: str) -> str:
        """Start an execution of a machine whose state gives the command with its token; return its ARN."""
        states = self.stage.aws("stepfunctions")
        wait = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": "ask-jobpipe",
                "Payload": {"token.$": "$$.Task.Token", "key": key, "command": command},
            },
            "TimeoutSeconds": 180,  # a release, which runs once a minute, lets a cancelled command be told
            "End": True,
        }
        machine = states.create_state_machine(
            name=name,
            roleArn="arn:aws:iam::000000000000:role/fulfil",
            definition=json.dumps({"StartAt": "Wait", "States": {"Wait": wait}}),
        )
        return str(states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"])

    def ended(self, execution: str) -> Any:
        states = self.stage.aws("stepfunctions")
        until = time.monotonic() + 180
        while True:
            found = states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING" or time.monotonic() > until:
                return found
            time.sleep(0.2)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "ask.py").write_text(FUNCTION)
    with embedded(tmp_path_factory.mktemp("states")) as (target, settings):
        with_shop = replace(settings, collections=SHOP)
        deployer = Deployer(target, LOCAL_STAGE, with_shop, Progress(), target.with_arns(PARAMETERS))
        stage = Stage(deployer.deploy())
        environment = clean_environment(
            AWS_ENDPOINT_URL=str(target.endpoint_url),
            AWS_DEFAULT_REGION=target.region,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # the emulator's
            JOBPIPE_URL=stage.deployment.base_url,
            JOBPIPE_API_KEY=stage.deployment.api_key,
        )
        found = Machine(stage, deployer, environment, folder)
        found.run(CREATE)
        yield found


def an_order(machine: Machine) -> str:
    orders = machine.stage.client.collection("orders")
    return str(machine.stage.client.wait(orders.create(order(f"A-{secrets.randbelow(10**8)}"))).item_id)


def test_the_page(machine: Machine) -> None:
    paid, unpaid = an_order(machine), an_order(machine)
    orders = machine.stage.client.collection("orders")
    machine.stage.client.wait(orders.run("pay", paid, invoice=secrets.randbelow(10**8)))
    assert machine.run(RUN, PAID_ORDER=paid, UNPAID_ORDER=unpaid) == PRINTED


def test_the_output_is_the_job(machine: Machine) -> None:
    command = {"operation": "create", "item": {"name": unique("task"), "description": "d", "n": 0.5}}
    found = machine.ended(machine.waiting("output", command, "output"))
    assert found["status"] == "SUCCEEDED", found
    job = json.loads(found["output"])
    assert job == machine.stage.request("GET", f"/jobs/{job['id']}").json()
    assert "task_token" not in job


def test_an_ended_job_answers_the_token_of_a_later_execution(machine: Machine) -> None:
    command = {"operation": "read", "item_id": "missing"}
    outcomes = [machine.ended(machine.waiting(f"later-{n}", command, "same-key")) for n in range(2)]
    assert {each["status"] for each in outcomes} == {"FAILED"}
    assert {each["error"] for each in outcomes} == {"not-found"}
    causes = [json.loads(each["cause"]) for each in outcomes]
    assert causes[0] == causes[1]
    assert (
        machine.stage.request("GET", f"/jobs/{causes[0]['job_id']}").json()["error"]["detail"]
        == causes[0]["detail"]
    )


def test_the_task_of_a_scheduled_command_that_is_cancelled_fails(machine: Machine) -> None:
    client = machine.stage.client
    time_to_come = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    command = {"operation": "read", "item_id": "i", "not_before": time_to_come}
    execution = machine.waiting("scheduled", command, "scheduled")
    until = time.monotonic() + 30
    while not (waiting := list(client.jobs(status="scheduled"))):
        assert time.monotonic() < until
        time.sleep(0.2)
    client.cancel(waiting[0].id)
    found = machine.ended(execution)
    assert (found["status"], found["error"]) == ("FAILED", "job-cancelled")


def test_task_tokens_without_events_are_refused_before_anything_changes(machine: Machine) -> None:
    without = replace(machine.deployer, overrides={**machine.deployer.overrides, "Events": "off"})
    with pytest.raises(OperatorError, match=r"TaskTokens=arn:.*:stateMachine:fulfil needs Events=on") as refused:
        without.deploy()
    assert "\n" not in str(refused.value)


def test_task_tokens_can_be_taken_away(machine: Machine) -> None:
    """This is the last test of the file."""
    replace(machine.deployer, overrides={"TaskTokens": ""}).deploy()
    answer = machine.stage.request("POST", "/jobs", {"operation": "read", "item_id": "i", "task_token": "t"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:jobpipe:problem:task-tokens-off")
    function = machine.stage.aws("lambda").get_function_configuration(FunctionName="jobpipe-local-events")
    role = function["Role"].rpartition("/")[2]
    policy = machine.stage.aws("iam").get_role_policy(RoleName=role, PolicyName="events")["PolicyDocument"]
    assert "states:" not in json.dumps(policy)
