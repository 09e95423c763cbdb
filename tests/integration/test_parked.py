"""`make parked` on a deployed stage."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import tenacity

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from tests.helpers.deployed import Stage, unique
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Operator:
    # Other tests may have parked messages.
    stage.aws("sqs").purge_queue(QueueUrl=stage.resources["parked_queue_url"])
    return Operator(stage, tmp_path)


def park(stage: Stage, body: str, **about: str) -> str:
    sent = stage.aws("sqs").send_message(
        QueueUrl=stage.resources["parked_queue_url"],
        MessageBody=body,
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in about.items()},
    )
    return str(sent["MessageId"])


def visible(stage: Stage) -> int:
    answer = stage.aws("sqs").get_queue_attributes(
        QueueUrl=stage.resources["parked_queue_url"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_the_list_shows_the_reasons_and_releases_the_messages(stage: Stage, operator: Operator) -> None:
    ids = [park(stage, f"junk {n}", reason=f"because {n}", source="commands") for n in range(12)]
    output = operator.output_of("parked")
    for n, message_id in enumerate(ids):
        assert message_id in output
        assert f"because {n}" in output
        assert f"junk {n}" in output
    assert "12 parked messages" in output
    assert visible(stage) == 12
    assert "12 parked messages" in operator.output_of("parked"), "all are visible again at once"


def test_the_list_shows_the_collection_of_a_message_that_names_it(stage: Stage, operator: Operator) -> None:
    bodies = ['{"v":3,"collection":"orders"}', '{"v":1}', '{"v":2,"collection":"No"}', "{}", "[" * 5000]
    ids = [park(stage, body) for body in bodies]
    report = json.loads(operator.output_of("parked", "--json"))
    shown = {each["id"]: each["collection"] for each in report["parked"]}
    assert [shown[message_id] for message_id in ids] == ["orders", "items", None, None, None]
    assert "orders" in operator.output_of("parked")


def test_the_list_has_a_limit(stage: Stage, operator: Operator) -> None:
    for n in range(15):
        park(stage, f"junk {n}")
    assert "11 of about 15 parked messages" in operator.output_of("parked", "--limit", "11")
    assert visible(stage) == 15


def test_control_characters_are_escaped(stage: Stage, operator: Operator) -> None:
    park(stage, "a\tb\nc\u202ed [red]e\x85 " + "x" * 1000, reason="r")
    output = operator.output_of("parked")
    assert r"a\tb\nc\u202ed" in output
    assert r"[red]e\x85" in output
    assert "\u202e" not in output


def test_a_resent_message_takes_effect(stage: Stage, operator: Operator) -> None:
    """A release may have parked messages of a newer one."""
    name = unique("Resent")
    job_id, generation, item_id = uuid.uuid4().hex, uuid.uuid4().hex[:16], str(uuid.uuid4())
    stage.put_job(job_id, generation, item_id)
    command = CreateItem(item_id, {"name": name, "description": "d"})
    envelope = seal(QueueMessage(JobRef(job_id, generation), command.item_id, command, "test"))
    junk = park(stage, "junk")
    message_id = park(stage, envelope.body, group_id=envelope.group_id)
    assert "1 resent, about 1 left" in operator.output_of("parked", "--resend", message_id)
    assert stage.client.wait(stage.client.job(job_id)).succeeded
    output = operator.output_of("parked")
    assert junk in output
    assert message_id not in output


def test_a_resent_message_that_is_still_unreadable_is_parked_once_more(stage: Stage, operator: Operator) -> None:
    marks = [unique("still junk") for _ in range(3)]
    for mark in marks:
        park(stage, mark, group_id="group")
    assert operator.run("parked", "--resend=--all").returncode == 1, "an id, not the option"
    assert "3 resent" in operator.output_of("parked", "--resend", "--all")

    @soon
    def parked_again() -> None:
        output = operator.output_of("parked")
        assert "3 parked messages" in output
        assert all(mark in output for mark in marks)
        assert "not valid JSON" in output

    parked_again()


def test_messages_are_dropped_by_id_or_all(stage: Stage, operator: Operator) -> None:
    first, second, third, *_ = [park(stage, json.dumps({"n": n})) for n in range(5)]
    assert "1 dropped, about 4 left" in operator.output_of("parked", "--drop", first)
    assert "2 dropped, about 2 left" in operator.output_of("parked", f"--drop={second}", f"--drop={third}")
    assert "1 dropped, about 1 left" in operator.output_of("parked", "--drop", "--all", "--limit", "1")
    assert "1 dropped, about 0 left" in operator.output_of("parked", "--drop=all")
    assert "0 parked messages" in operator.output_of("parked")


def test_an_unknown_id_is_reported_and_the_messages_are_released(stage: Stage, operator: Operator) -> None:
    parked, unknown = park(stage, "junk"), str(uuid.uuid4())
    done = operator.run("parked", "--drop", parked, unknown)
    assert done.returncode == 1
    assert "1 dropped" in done.stdout
    assert unknown in done.stderr
    assert parked not in done.stderr
    park(stage, "more")
    assert operator.run("parked", "--resend", unknown).returncode == 1
    assert visible(stage) == 1


@pytest.mark.parametrize(
    "arguments", [("--all",), ("--resend",), ("--resend", "x", "--all"), ("--resend", "x", "--drop", "y")]
)
def test_contradictory_options_are_refused(stage: Stage, operator: Operator, arguments: tuple[str, ...]) -> None:
    done = operator.run("parked", *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
