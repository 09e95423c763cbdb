"""What log lines say of errors, and how a trace goes with a message."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from jobpipe.aws import AwsClients
from jobpipe.errors import InvalidRequest, Unavailable
from jobpipe.queue_message import Envelope
from jobpipe.sqs_commands import SqsCommands
from jobpipe.telemetry import described, logger, trace_header, trace_id
from tests.pipeline import Pipeline

SECRET = "what-a-caller-has-sent"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the logger writes: its handler took hold of a stream when it was made."""
    stream = io.StringIO()
    for handler in logger._logger.handlers:
        monkeypatch.setattr(handler, "stream", stream)
    return stream


def denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": SECRET}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (InvalidRequest(SECRET), "InvalidRequest"),
        (denied(), "ClientError: AccessDenied of PutItem"),
        (Unavailable("The queue did not answer."), "Unavailable: The queue did not answer."),
    ],
)
def test_an_error_is_described_without_what_it_quotes(error: Exception, said: str) -> None:
    assert described(error) == said


def test_a_logged_exception_shows_where_and_why_but_no_message(said: io.StringIO) -> None:
    def inner() -> None:
        raise ValueError(SECRET)

    def outer() -> None:
        try:
            inner()
        except ValueError as error:
            raise Unavailable("The queue is out of order.") from error

    try:
        outer()
    except Unavailable:
        logger.exception("it failed")

    assert SECRET not in said.getvalue()
    line = json.loads(said.getvalue().splitlines()[-1])
    assert line["exception_name"] == "Unavailable"
    assert line["exception"].startswith("Unavailable: The queue is out of order.")
    assert "caused by\nValueError\n" in line["exception"]
    assert "in inner" in line["exception"]


def test_what_failed_in_the_worker_is_not_quoted(said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": SECRET, "description": SECRET})

    def fail(change: object, *_: object) -> None:
        raise ValueError(repr(change))

    monkeypatch.setattr(pipeline.items, "commit", fail)
    for _ in range(6):
        pipeline.work()
    assert "message returned" in said.getvalue()
    assert "ValueError" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_what_is_parked_is_not_quoted(said: io.StringIO) -> None:
    pipeline = Pipeline()
    pipeline.queue.send(Envelope(json.dumps({"v": 1, SECRET: SECRET}), "g", "d"))
    pipeline.queue.send(Envelope(f'{{"{SECRET}": 1, "{SECRET}": 2}}', "h", "e"))
    pipeline.work()
    assert len(pipeline.parked.messages) == 2
    assert "message parked" in said.getvalue()
    assert SECRET not in said.getvalue()


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (TRACE, "1-5759e988-bd862e3fe1be46a994272793"),
        (f"{TRACE};Lineage=1:2a6b1c4d:0", "1-5759e988-bd862e3fe1be46a994272793"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793", "1-5759e988-bd862e3fe1be46a994272793"),
        ("", None),
        ("Root=junk", None),
        (f"{TRACE}\n", None),
        (f"{TRACE};X={'y' * 200}", None),
    ],
)
def test_only_what_is_a_trace_header_is_taken_for_one(
    header: str, known: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert trace_header() == (header if known else None)
    assert trace_id(header) == known


@pytest.mark.parametrize("traced", [True, False])
def test_a_trace_goes_with_the_message(*, traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if traced:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    else:
        monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    clients = AwsClients()
    expected: dict[str, Any] = {
        "QueueUrl": ANY,
        "MessageBody": ANY,
        "MessageGroupId": ANY,
        "MessageDeduplicationId": ANY,
    }
    if traced:
        expected["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}}
    with Stubber(clients.sqs) as stubber:
        stubber.add_response("send_message", {"MessageId": "m"}, expected)
        SqsCommands(clients, "https://sqs/commands.fifo").send(Envelope("{}", "g", "d"))
        stubber.assert_no_pending_responses()
