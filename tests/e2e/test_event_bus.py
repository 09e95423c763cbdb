"""The bus, the rule and the receiver of docs/how-to/send-events-to-eventbridge.md run as they are written there."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import tenacity

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from tests.helpers.commands import ROOT, clean_environment, run
from tests.helpers.deployed import Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP, order

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "how-to" / "send-events-to-eventbridge.md").read_text()
CREATE_BUS, CREATE_RULE, RECEIVE = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PARAMETERS = dict(each.split("=") for each in re.findall(r'PARAMETERS="(.*?)"', PAGE)[0].split())


@dataclass
class Bus:
    """A stage that is deployed as on the page, and what runs the page's programs."""

    stage: Stage
    deployer: Deployer
    environment: dict[str, str]

    def run(self, program: str) -> str:
        return run_program(program, self.environment)


def run_program(program: str, environment: dict[str, str]) -> str:
    done = run(sys.executable, "-c", program.replace("jobpipe.prod", f"jobpipe.{LOCAL_STAGE}"), env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with embedded(tmp_path_factory.mktemp("bus")) as (target, settings):
        environment = clean_environment(
            AWS_ENDPOINT_URL=str(target.endpoint_url),
            AWS_DEFAULT_REGION=target.region,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # the emulator's
        )
        run_program(CREATE_BUS, environment)
        given = target.with_arns(PARAMETERS)
        with_shop = replace(settings, collections=SHOP)
        deployer = Deployer(target, LOCAL_STAGE, with_shop, Progress(), given)
        yield Bus(Stage(deployer.deploy()), deployer, environment)


def test_the_page(bus: Bus) -> None:
    bus.run(CREATE_RULE)
    orders, number = bus.stage.client.collection("orders"), secrets.randbelow(10**8)
    order_id = bus.stage.client.wait(orders.create(order(f"A-{number}"))).item_id
    orders.run("pay", order_id, invoice=number)
    orders.run("ship", order_id, carrier="dhl")
    assert bus.run(RECEIVE) == f"orders.shipped orders/{order_id} dhl\n"


def test_all_events_go_to_the_bus_without_a_webhook(bus: Bus) -> None:
    events, sqs = bus.stage.aws("events"), bus.stage.aws("sqs")
    queue = sqs.create_queue(QueueName="all")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": [f"jobpipe.{LOCAL_STAGE}"]})
    events.put_rule(Name="all", EventBusName="shop", EventPattern=pattern)
    events.put_targets(Rule="all", EventBusName="shop", Targets=[{"Id": "all", "Arn": arn}])
    assert list(bus.stage.client.webhooks.list()) == []
    job = bus.stage.client.wait(bus.stage.client.create({"name": unique("bus"), "description": "d", "n": 0.1}))
    found: dict[str, Any] = {}

    @tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.2), reraise=True)
    def receive() -> None:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            found[event["detail"]["type"]] = event
        assert len(found) == 2

    receive()
    for kind, event in found.items():
        assert event["detail-type"] == kind
        assert event["detail"]["source"] == f"urn:jobpipe:{LOCAL_STAGE}"
        assert event["detail"]["sequence"]
    assert found["job.ended"]["detail"]["data"] == bus.stage.request("GET", f"/jobs/{job.id}").json()
    assert found["item.changed"]["detail"]["subject"] == f"items/{job.item_id}"


def test_a_bus_without_events_is_refused_before_anything_changes(bus: Bus) -> None:
    without = replace(bus.deployer, overrides={**bus.deployer.overrides, "Events": "off"})
    with pytest.raises(OperatorError, match=r"EventBus=arn:.*:event-bus/shop needs Events=on") as refused:
        without.deploy()
    assert "\n" not in str(refused.value)
    bus.stage.client.wait(bus.stage.client.create({"name": unique("bus"), "description": "d"}))


def test_the_bus_can_be_taken_away(bus: Bus) -> None:
    """This is the last test of the file."""
    replace(bus.deployer, overrides={"EventBus": ""}).deploy()
    function = bus.stage.aws("lambda").get_function_configuration(FunctionName="jobpipe-local-events")
    assert function["Environment"]["Variables"]["EVENT_BUS"] == ""
    role = function["Role"].rpartition("/")[2]
    policy = bus.stage.aws("iam").get_role_policy(RoleName=role, PolicyName="events")["PolicyDocument"]
    assert "events:PutEvents" not in json.dumps(policy)
