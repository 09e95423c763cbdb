"""Log lines describe errors without quoting callers, and messages have the trace header."""

from __future__ import annotations

import io
import json
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from jobpipe.domain.errors import InvalidRequest, Unavailable
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.telemetry import (
    SERVICE,
    begin_invocation,
    describe_error,
    logged_id,
    logger,
    trace_header,
    trace_id,
)
from jobpipe.stores.queues.sqs_commands import SqsCommands
from tests.helpers.pipeline import Context, Pipeline

SECRET = "what-a-caller-has-sent"
TRACED = "1-5759e988-bd862e3fe1be46a994272793"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def log_stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The stream that the logger writes to."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.handlers[0], "stream", stream)
    return stream


def denied() -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": SECRET}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (InvalidRequest(SECRET), "InvalidRequest"),
        (denied(), "ClientError: AccessDenied of PutItem"),
        (Unavailable("The queue did not answer."), "Unavailable: The queue did not answer."),
    ],
)
def test_an_error_is_described_without_what_it_quotes(error: Exception, expected: str) -> None:
    assert describe_error(error) == expected


def test_a_logged_exception_has_types_and_places_but_no_message(log_stream: io.StringIO) -> None:
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

    assert SECRET not in log_stream.getvalue()
    line = json.loads(log_stream.getvalue().splitlines()[-1])
    assert line["exception_name"] == "Unavailable"
    assert line["exception"].startswith("Unavailable: The queue is out of order.")
    assert "caused by\nValueError\n" in line["exception"]
    assert "in inner" in line["exception"]


def test_notes_of_an_exception_are_not_logged(log_stream: io.StringIO) -> None:
    try:
        error = ValueError("no")
        error.add_note(f"when serializing dict item {SECRET!r}")
        raise error
    except ValueError:
        logger.exception("it failed")
    assert "ValueError" in log_stream.getvalue()
    assert SECRET not in log_stream.getvalue()


def test_circular_causes_are_logged_once(log_stream: io.StringIO) -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    try:
        raise first
    except ValueError:
        logger.exception("it failed")
    assert json.loads(log_stream.getvalue().splitlines()[-1])["exception"].count("caused by") == 2


def test_no_generation_is_logged(log_stream: io.StringIO) -> None:
    """Someone who knows it and may send to the queue could replace the command of a waiting job."""
    pipeline = Pipeline()
    accepted = pipeline.request("POST", "/items", {"name": "n", "description": "d" * 400_000})
    generation = pipeline.jobs.rows[accepted.json["id"]].generation
    (key,) = pipeline.documents.keys("claims/")
    pipeline.documents.put(key, '{"operation":"read","item_id":"another"}')
    pipeline.work()
    pipeline.documents.delete([key])
    pipeline.work()
    assert log_stream.getvalue().count("command interrupted") == 2
    assert generation not in log_stream.getvalue()


def test_a_line_has_its_invocation_and_is_written_once(
    log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    monkeypatch.setattr(
        logging.getLogger(), "handlers", [logging.StreamHandler(log_stream)]
    )  # as Lambda has one there
    begin_invocation(Context())
    begin_invocation(Context())
    logger.info("log_stream %d", 1, extra={"status": 200, "job_id": None, "at": object})
    line = json.loads(log_stream.getvalue())
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line.pop("location").startswith("test_a_line_has_its_invocation_and_is_written_once:")
    assert line == {
        "level": "INFO",
        "message": "log_stream 1",
        "service": SERVICE,
        "cold_start": False,
        "function_name": Context.function_name,
        "function_memory_size": Context.memory_limit_in_mb,
        "function_arn": Context.invoked_function_arn,
        "function_request_id": Context.aws_request_id,
        "status": 200,
        "at": str(object),
        "xray_trace_id": TRACED,
    }


def test_no_event_is_logged_at_any_level(log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": SECRET, "description": "d"})
    pipeline.drain()
    assert "request" in log_stream.getvalue()
    assert "command" in log_stream.getvalue()
    assert SECRET not in log_stream.getvalue()


def test_accepted_commands_are_logged_at_any_level(log_stream: io.StringIO) -> None:
    """`make audit` looks for them in the log."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        pipeline = Pipeline()
        job = pipeline.request("POST", "/items", {"name": "Tent", "description": "d"}).json["id"]
        pipeline.request("GET", f"/jobs/{job}")
    finally:
        logger.setLevel(before)
    (line,) = map(json.loads, log_stream.getvalue().splitlines())
    assert (line["message"], line["status"], line["job_id"]) == ("request", 202, job)


def test_a_line_has_the_id_of_its_invocation(log_stream: io.StringIO) -> None:
    pipeline = Pipeline()
    for request_id in ("first", "second"):
        pipeline.context.aws_request_id = request_id
        pipeline.request("GET", "/health")
    assert [json.loads(line)["function_request_id"] for line in log_stream.getvalue().splitlines()] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    "item_id", [SECRET, SECRET.upper(), "3F2B0E5C-0000-4000-8000-0000000000AA", "a" * 128, "\u00e9", "\ud800", ""]
)
def test_an_id_that_the_api_did_not_assign_is_logged_as_a_digest(item_id: str) -> None:
    logged = logged_id(item_id)
    assert re.fullmatch("sha256:[0-9a-f]{16}", logged)
    assert logged == logged_id(item_id)
    assert logged != logged_id(f"{item_id}x")


def test_an_assigned_id_is_logged_in_full(log_stream: io.StringIO) -> None:
    pipeline = Pipeline()
    item_id = pipeline.do("POST", "/items", {"name": "n", "description": "d"})["item_id"]
    assert logged_id(item_id) == item_id
    assert log_stream.getvalue().count(f'"item_id":"{item_id}"') >= 2, "by the API and by the worker"


def test_a_callers_own_id_is_in_no_line_with_any_outcome_of_the_job(
    log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for each line with an item id: accepted, waited for, ended, interrupted, dead, parked."""
    pipeline = Pipeline()
    command = {"operation": "read", "item_id": SECRET}
    job = pipeline.request("POST", "/jobs", command).json
    cancelled = pipeline.request("POST", "/jobs", command).json
    assert pipeline.request("DELETE", f"/jobs/{cancelled['id']}").status == 200
    batch = {"commands": [command, {"operation": "update", "item_id": SECRET, "item": {SECRET: 1}}]}
    assert pipeline.request("POST", "/batches", batch).status == 202
    pipeline.work()
    assert pipeline.request("GET", f"/jobs/{job['id']}?wait=1").json["status"] == "failed"
    assert pipeline.request("POST", f"/jobs/{job['id']}/retry").status == 202
    assert pipeline.request("POST", "/jobs", command, headers={"Prefer": "wait=1"}).status == 202
    pipeline.end_dead_letters()
    pipeline.queue.send(Envelope("junk", SECRET, "junk"))
    pipeline.work()
    pipeline.request("DELETE", f"/items/{SECRET}")
    monkeypatch.setattr(pipeline.items, "get", _fail)
    pipeline.work()
    pipeline.work()

    logged = log_stream.getvalue()
    for line in ("request", "command", "command interrupted", "dead letter", "message parked"):
        assert f'"message":"{line}"' in logged
    assert f'"item_id":"{logged_id(SECRET)}"' in logged
    assert f'"group_id":"{logged_id(SECRET)}"' in logged
    assert SECRET not in logged


def _fail(item_id: str) -> None:
    raise ValueError(item_id)


def test_a_failed_command_is_not_quoted_in_the_log(
    log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline()
    pipeline.request("POST", "/items", {"name": SECRET, "description": SECRET})

    def fail(change: object, *_: object) -> None:
        raise ValueError(repr(change))

    monkeypatch.setattr(pipeline.items, "commit", fail)
    for _ in range(6):
        pipeline.work()
    assert "message returned" in log_stream.getvalue()
    assert "ValueError" in log_stream.getvalue()
    assert SECRET not in log_stream.getvalue()


def test_a_parked_message_is_not_quoted_in_the_log(log_stream: io.StringIO) -> None:
    pipeline = Pipeline()
    pipeline.queue.send(Envelope(json.dumps({"v": 1, SECRET: SECRET}), "g", "d"))
    pipeline.queue.send(Envelope(f'{{"{SECRET}": 1, "{SECRET}": 2}}', "h", "e"))
    pipeline.work()
    assert len(pipeline.parked.messages) == 2
    assert "message parked" in log_stream.getvalue()
    assert SECRET not in log_stream.getvalue()


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (TRACE, "1-5759e988-bd862e3fe1be46a994272793"),
        (f"{TRACE};Lineage=1:2a6b1c4d:0", "1-5759e988-bd862e3fe1be46a994272793"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793", "1-5759e988-bd862e3fe1be46a994272793"),
        ("", None),
        ("Root=junk", None),
        (f"{TRACE}\n", None),
        (f"{TRACE};X={'y' * 500}", None),
        (f"{TRACE};X=\u00e9", None),
        # as they were seen: several hops, another order
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=aae260cf:0|74085691:0", TRACED),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:0,68fd508a:5|c512fbe3:2", TRACED),
        ("Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793", TRACED),
    ],
)
def test_only_valid_trace_headers_have_a_trace_id(
    header: str, known: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert trace_header() == (header if known else None)
    assert trace_id(header) == known


@pytest.mark.parametrize("traced", [True, False])
def test_messages_are_sent_with_the_trace_header(*, traced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if traced:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    else:
        monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    clients = AwsClients()
    message: dict[str, Any] = {"MessageBody": ANY, "MessageGroupId": ANY, "MessageDeduplicationId": ANY}
    if traced:
        message["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}}
    with Stubber(clients.sqs) as stubber:
        stubber.add_response("send_message", {"MessageId": "m"}, {"QueueUrl": ANY, **message})
        sent = [{"Id": str(n), "MessageId": "m", "MD5OfMessageBody": "d"} for n in range(2)]
        entries = [{"Id": str(n), **message} for n in range(2)]
        stubber.add_response(
            "send_message_batch", {"Successful": sent, "Failed": []}, {"QueueUrl": ANY, "Entries": entries}
        )
        queue = SqsCommands(clients, "https://sqs/commands.fifo")
        queue.send(Envelope("{}", "g", "d"))
        queue.send_batch([Envelope("{}", "g1", "d1"), Envelope("{}", "g2", "d2")])
        stubber.assert_no_pending_responses()
